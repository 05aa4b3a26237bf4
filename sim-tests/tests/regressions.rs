//! Seeds that once failed, by what they found.

use quorate_sim_tests::fuzz;

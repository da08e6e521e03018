"""The long runs: `bin/soak [NAME]`. They run the tests of bin/test at another scale, so there is one test of each."""

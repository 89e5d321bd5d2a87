"""Many runs: grids, paper tables, clusters."""

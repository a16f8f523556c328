package netchan_test

const roleVariable = "NETCHAN_TEST_ROLE"

func runRole(string) {}

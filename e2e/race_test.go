//go:build race

package e2e

// buildFlags makes the tested binary as watchful as the tests are.
const buildFlags = "-race"

//go:build !unobserved

package daemon

// observed says that a journal, metrics and what the page shows are kept. bench/load
// measures what that costs against a gateway built with the tag unobserved.
const observed = true

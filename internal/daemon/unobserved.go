//go:build unobserved

package daemon

const observed = false

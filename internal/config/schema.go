package config

import (
	_ "embed" // for the schema
	"slices"
)

//go:embed schema.json
var schema []byte

// Schema returns the JSON Schema of configuration files, for editors. What it accepts
// is not all good: it cannot tell what belongs together.
func Schema() []byte { return slices.Clone(schema) }

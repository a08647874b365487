// Package profiles holds the policy documents as data, one folder each. The
// shape of the files is described in internal/policy.
package profiles

import "embed"

// FS holds the shipped profiles.
//
//go:embed */*.toml
var FS embed.FS

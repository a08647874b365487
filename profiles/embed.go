// Package profiles holds the policy documents as data, one folder each. The
// shape of the files is described in internal/policy.
package profiles

import "embed"

// FS holds the shipped profiles.
//
//go:embed */*.toml
var FS embed.FS

// Template is what a new profile is written from: words in braces are filled
// in by `yilian profile new`.
//
//go:embed template/profile.toml.tmpl
var Template string

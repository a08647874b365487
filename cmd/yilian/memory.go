package main

import (
	"os"
	"runtime/debug"
)

// Limits of a server's heap. What it keeps is some thirty megabytes, what each
// request leaves behind is much: collected at each doubling, the default, that
// costs a fifth of the processor. Up to the limit there is room within the 300
// MB of docs/design.md, section 6; beyond, it is collected as often as needed.
const (
	heapGrowth = 400       // percent
	heapLimit  = 200 << 20 // bytes
)

// serverMemory sets the limits, unless the environment has its own.
func serverMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(heapGrowth)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(heapLimit)
	}
}

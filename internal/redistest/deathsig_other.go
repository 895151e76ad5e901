//go:build !linux

package redistest

import "syscall"

// dieWithParent has no counterpart here: servers outlive a test binary that is killed.
func dieWithParent() *syscall.SysProcAttr { return nil }

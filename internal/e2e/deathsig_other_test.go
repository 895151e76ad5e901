//go:build !linux

package e2e

import "syscall"

// dieWithParent is what only Linux can do.
func dieWithParent() *syscall.SysProcAttr { return nil }

package e2e

import "syscall"

// dieWithParent has the kernel end a child when the thread that started it does, so that nothing outlives a killed test.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

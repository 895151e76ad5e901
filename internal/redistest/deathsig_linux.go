package redistest

import "syscall"

// dieWithParent lets the kernel kill a server whose test binary died without stopping it.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

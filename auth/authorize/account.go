package authorize

import "slices"

// GoOn notes that the user goes on with the account that is logged in.
func (f *Flow) GoOn() { f.Chosen = true }

// LogInAgain makes the user log in, whoever is logged in, and forgets who had begun to.
func (f *Flow) LogInAgain() {
	f.Primary = nil
	if !f.asks("login") {
		f.Prompt = append(slices.Clip(f.Prompt), "login")
	}
}

package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// DefaultProfile is used where none is named.
const DefaultProfile = "default"

// Profile is a server and how to speak to it, stored so that it need not be said with every command.
type Profile struct {
	URL string `json:"url"`
	// Token or TokenFile, the file it is read from anew each time.
	Token     string `json:"token,omitempty"`
	TokenFile string `json:"token_file,omitempty"`
	Org       string `json:"org,omitempty"`
}

// Profiles is the file of stored profiles. Only its owner may read it.
type Profiles struct{ path string }

// ProfilesOf returns the profiles of whoever has that environment: $CLAIMSMITH_PROFILES, or claimsmith/profiles.json in the directory for
// settings, $XDG_CONFIG_HOME or $HOME/.config.
func ProfilesOf(lookup func(string) (string, bool)) Profiles {
	if path, _ := lookup("CLAIMSMITH_PROFILES"); path != "" {
		return Profiles{path}
	}
	dir, _ := lookup("XDG_CONFIG_HOME")
	if home, _ := lookup("HOME"); dir == "" && home != "" {
		dir = filepath.Join(home, ".config")
	}
	if dir == "" {
		return Profiles{}
	}
	return Profiles{filepath.Join(dir, "claimsmith", "profiles.json")}
}

// Path is where the file is, "" where there is no place for one.
func (p Profiles) Path() string { return p.path }

// All reads the profiles by name; no file has none.
func (p Profiles) All() (map[string]Profile, error) {
	all := map[string]Profile{}
	text, err := os.ReadFile(p.path)
	if p.path == "" || errors.Is(err, os.ErrNotExist) {
		return all, nil
	}
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(p.path); err == nil && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s can be read by others: chmod 600 it", p.path)
	}
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, fmt.Errorf("%s is not what profile set writes: %w", p.path, err)
	}
	return all, nil
}

// Names are those of the stored profiles, sorted.
func (p Profiles) Names() []string {
	all, _ := p.All()
	return slices.Sorted(maps.Keys(all))
}

// Change replaces the file by what change makes of its profiles, whole or not at all.
func (p Profiles) Change(change func(map[string]Profile)) error {
	if p.path == "" {
		return errors.New("there is no place for profiles: set HOME, XDG_CONFIG_HOME or CLAIMSMITH_PROFILES")
	}
	all, err := p.All()
	if err != nil {
		return err
	}
	change(all)
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(p.path), 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(p.path), ".profiles-*") // readable by its owner alone
	if err != nil {
		return err
	}
	_, err = file.Write(append(text, '\n'))
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), p.path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

// fill takes what was not given from a stored profile. A profile is taken whole: its token is never sent to a URL given beside it.
func (a *API) fill(f *faults, profiles Profiles) {
	given := a.URL != "" || a.Token.Given()
	name := a.Profile
	switch {
	case name == "" && given:
		return
	case name == "":
		name = DefaultProfile
	case given:
		f.add("profile", "given beside --url or --token: it says both itself")
		return
	}
	all, err := profiles.All()
	if err != nil {
		f.add("profile", "%w", err)
		return
	}
	p, ok := all[name]
	if !ok {
		if a.Profile != "" {
			f.add("profile", "there is no profile %q; stored are: %s", name, strings.Join(profiles.Names(), ", "))
		}
		return
	}
	a.URL, a.Token = p.URL, NewSecret(p.Token)
	if a.Org == "" {
		a.Org = p.Org
	}
	if p.TokenFile == "" {
		return
	}
	text, err := os.ReadFile(p.TokenFile)
	if err != nil {
		f.add("profile", "its token file: %w", err)
		return
	}
	a.Token = NewSecret(strings.TrimSpace(string(text)))
}

// ProfileCommand are the commands on stored profiles. They speak to no server.
type ProfileCommand struct {
	Set    ProfileSet    `cmd:"" help:"Store a server and how to speak to it under a name."`
	List   ProfileList   `cmd:"" help:"List the stored profiles."`
	Remove ProfileRemove `cmd:"" help:"Remove a stored profile."`
}

// ProfileSet are the settings of the profile set command.
type ProfileSet struct {
	Name      string   `arg:"" optional:"" default:"default" help:"Name of the profile."`
	URL       string   `flagonly:"" name:"url" group:"Profile" placeholder:"URL" help:"Address of the server, which is its issuer: https, or http on loopback."`
	Org       string   `flagonly:"" group:"Profile" placeholder:"SLUG" help:"Organisation that is meant where none is named."`
	TokenFile string   `flagonly:"" group:"Profile" placeholder:"FILE" help:"File to read the operator's API token from each time. Default: the token is read from standard input now, and stored."`
	Where     Profiles `kong:"-"`
}

// ProfileList are the settings of the profile list command.
type ProfileList struct {
	Where Profiles `kong:"-"`
}

// ProfileRemove are the settings of the profile remove command.
type ProfileRemove struct {
	Name  string   `arg:"" help:"Name of the profile."`
	Where Profiles `kong:"-"`
}

// Completion are the settings of the completion command.
type Completion struct {
	Shell string `arg:"" help:"The shell: bash, zsh or fish."`
}

func (p *ProfileSet) check(f *faults) {
	if err := CheckURL(p.URL); p.URL == "" {
		f.add("url", "not set: give the URL of the server, like https://id.example.com")
	} else if err != nil {
		f.add("url", "%w", err)
	}
}

// local is a command on the file of profiles.
type local interface{ locate(Profiles) }

func (p *ProfileSet) locate(at Profiles)    { p.Where = at }
func (p *ProfileList) locate(at Profiles)   { p.Where = at }
func (p *ProfileRemove) locate(at Profiles) { p.Where = at }

func (*ProfileList) check(*faults) {}

func (*ProfileRemove) check(*faults) {}

func (c *Completion) check(f *faults) {
	if !slices.Contains([]string{"bash", "zsh", "fish"}, c.Shell) {
		f.lines = append(f.lines, errors.New("shell: one of bash, zsh, fish"))
	}
}

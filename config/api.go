package config

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// API says which server a command talks to, as whom, and how it says what it heard.
type API struct {
	URL     string `name:"url" placeholder:"URL" help:"Address of the server, which is its issuer: https, or http on loopback."`
	Token   Secret `placeholder:"TOKEN" help:"API token of an operator."`
	Org     string `placeholder:"SLUG" help:"Organisation that is meant. Default: the operator's own, for an administrator the organisation default."`
	Profile string `placeholder:"NAME" help:"Stored profile that says all of these. Default: the profile of the name default, where neither --url nor --token is given."`
	Output  string `short:"o" default:"table" oneof:"table, json, yaml" help:"Form of the answer: for people, as the server gave it, or the same as YAML."`
}

// remote is a command that talks to a server.
type remote interface{ api() *API }

func (a *API) api() *API { return a }

func (a *API) check(f *faults) {
	switch err := CheckURL(a.URL); {
	case a.URL == "":
		f.add("url", "not set: give the URL of the server, like https://id.example.com, or store a profile: claimsmith profile set")
	case err != nil:
		f.add("url", "%w", err)
	}
	if !a.Token.Given() {
		f.add("token", "not set: give an operator's API token, or store a profile: claimsmith profile set")
	} else if !isBearer(a.Token) {
		f.add("token", bearerFault)
	}
}

// CheckURL reports why a token must not be sent to an address.
func CheckURL(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "" || u.User != nil || strings.ContainsAny(address, "?#"):
		return errors.New("is not a URL of only a scheme, a host and perhaps a path, like https://id.example.com")
	case u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())):
		return fmt.Errorf("%q must begin with https:, or be http: on loopback: the token would be seen on the way", address)
	}
	return nil
}

func checkPairs(f *faults, flag string, pairs []string) {
	for _, pair := range pairs {
		if key, _, ok := strings.Cut(pair, "="); !ok || key == "" {
			f.add(flag, "%q is not KEY=VALUE", pair)
		}
	}
}

func somethingSaid(f *faults, said bool) {
	if !said {
		f.lines = append(f.lines, errors.New("nothing to change: give a flag of what is to be otherwise"))
	}
}

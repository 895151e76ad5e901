package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"text/tabwriter"

	"github.com/claimsmith/claimsmith/config"
)

func runProfileSet(c *config.ProfileSet, stdin io.Reader, stdout io.Writer) error {
	p := config.Profile{URL: c.URL, Org: c.Org}
	var err error
	if c.TokenFile != "" {
		p.TokenFile, err = filepath.Abs(c.TokenFile)
	} else {
		p.Token, err = secretFrom(stdin, "the operator's API token")
	}
	if err != nil {
		return err
	}
	if err := c.Where.Change(func(all map[string]config.Profile) { all[c.Name] = p }); err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "Profile %s is stored in %s.\n", c.Name, c.Where.Path())
	return err
}

func runProfileList(c *config.ProfileList, stdout io.Writer) error {
	all, err := c.Where.All()
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "PROFILE\tURL\tORGANISATION\tTOKEN")
	for _, name := range c.Where.Names() {
		token := "stored"
		if all[name].TokenFile != "" {
			token = "in " + all[name].TokenFile
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", name, all[name].URL, orDash(all[name].Org), token)
	}
	return table.Flush()
}

func runProfileRemove(c *config.ProfileRemove, stdout io.Writer) error {
	found := false
	err := c.Where.Change(func(all map[string]config.Profile) {
		_, found = all[c.Name]
		delete(all, c.Name)
	})
	if err == nil && !found {
		err = errors.New("there is no profile " + c.Name)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "Profile %s is removed.\n", c.Name)
	return err
}

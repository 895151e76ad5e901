package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// ErrHelp says that help was asked for and has been printed.
var ErrHelp = errors.New("help was asked for")

// Parse reads the command line, without the program's name, and the environment through lookup, which is os.LookupEnv
// or stands for it. Help goes to stdout and is ErrHelp. Any other error holds one line for each thing that is wrong,
// with the flag and the variable it concerns; no line shows a secret.
func Parse(args []string, lookup func(string) (string, bool), stdout io.Writer) (Command, error) {
	var cli CLI
	var found faults
	parser, err := newParser(&cli, lookup, &found)
	if err != nil {
		return nil, err
	}
	helped := false
	parser.Exit = func(int) { helped = true }
	parser.Stdout = stdout

	context, err := parser.Parse(args)
	if helped {
		return nil, ErrHelp
	}
	if err != nil {
		return nil, fmt.Errorf("read command line: %w", err)
	}
	command, ok := context.Selected().Target.Addr().Interface().(Command)
	if !ok {
		return nil, fmt.Errorf("read command line: %s is no command", context.Command())
	}
	for _, flag := range context.Flags() {
		if flag.Tag.Has("flagonly") {
			found.setAlone(flag.Name)
		}
		checkTags(&found, flag)
	}
	if r, ok := command.(remote); ok {
		r.api().fill(&found, ProfilesOf(lookup))
	}
	if l, ok := command.(local); ok {
		l.locate(ProfilesOf(lookup))
	}
	command.check(&found)
	if err := found.err(); err != nil {
		return nil, err
	}
	return command, nil
}

func newParser(cli *CLI, lookup func(string) (string, bool), found *faults) (*kong.Kong, error) {
	environment := kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		value, ok, err := fromEnvironment(flag, lookup)
		if err != nil {
			found.unreadable(flag.Name, err)
		}
		if !ok {
			return nil, nil //nolint:nilnil // kong's way to say that this resolver has no value for the flag
		}
		return value, nil
	})
	parser, err := kong.New(cli,
		kong.Name("claimsmith"),
		kong.Description("Issues tokens that carry what you know about your users."),
		kong.Resolvers(environment),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 110}),
		kong.ValueFormatter(func(value *kong.Value) string { return describe(value) }),
	)
	if err != nil {
		return nil, fmt.Errorf("build command line: %w", err)
	}
	return parser, kong.Visit(parser.Model, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok && flag != parser.Model.HelpFlag {
			if !flag.Tag.Has("flagonly") {
				flag.Envs = []string{variable(flag.Name)}
			}
			flag.Mapper = collecting{flag.Mapper, flag.Name, found}
		}
		return next(nil)
	})
}

// variable is the environment variable of a flag.
func variable(flag string) string {
	return "CLAIMSMITH_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// fromEnvironment returns the value of a flag that was not on the command line.
func fromEnvironment(flag *kong.Flag, lookup func(string) (string, bool)) (string, bool, error) {
	if len(flag.Envs) == 0 {
		return "", false, nil
	}
	name := flag.Envs[0]
	value, _ := lookup(name)
	if !isSecret(flag.Value) {
		return value, value != "", nil
	}
	file, _ := lookup(name + "_FILE")
	if file == "" {
		return value, value != "", nil
	}
	if value != "" {
		return "", false, fmt.Errorf("given twice: %s is set, and %s_FILE too", name, name)
	}
	content, err := os.ReadFile(file) //nolint:gosec // the operator says which file, and may read it
	if err != nil {
		return "", false, fmt.Errorf("%s_FILE: %w", name, err)
	}
	value = strings.TrimRight(string(content), "\r\n")
	if value == "" {
		return "", false, fmt.Errorf("%s_FILE: %s is empty", name, file)
	}
	if flag.IsSlice() {
		value = strings.Join(strings.Fields(value), ",")
	}
	return value, true, nil
}

func isSecret(value *kong.Value) bool {
	kind := value.Target.Type()
	return kind == reflect.TypeFor[Secret]() || kind == reflect.TypeFor[[]Secret]()
}

// collecting turns a value that cannot be read into a fault, so that the others are looked at too.
type collecting struct {
	kong.Mapper
	flag  string
	found *faults
}

func (c collecting) Decode(ctx *kong.DecodeContext, target reflect.Value) error {
	if err := c.Mapper.Decode(ctx, target); err != nil {
		c.found.unreadable(c.flag, err)
	}
	return nil
}

// IsBoolFromValue lets a flag that may be true, false or absent be given without a value.
func (c collecting) IsBoolFromValue(target reflect.Value) bool {
	mapper, ok := c.Mapper.(kong.BoolMapperExt)
	return ok && mapper.IsBoolFromValue(target)
}

// checkTags holds a value against the field tags range, "0s or 1m..24h", and oneof, "text, json".
func checkTags(f *faults, flag *kong.Flag) {
	if bounds := flag.Tag.Get("range"); bounds != "" {
		n, render := flag.Target.Int(), func(n int64) any { return n }
		if flag.Target.Type() == reflect.TypeFor[time.Duration]() {
			render = func(n int64) any { return time.Duration(n) }
		}
		if inside, err := within(n, bounds); err != nil {
			f.add(flag.Name, "%w", err)
		} else if !inside {
			f.add(flag.Name, "%v is outside %s", render(n), bounds)
		}
	}
	if allowed := flag.Tag.Get("oneof"); allowed != "" {
		if given := flag.Target.String(); given != "" && !slices.Contains(strings.Split(allowed, ", "), given) {
			f.add(flag.Name, "%q is none of %s", given, allowed)
		}
	}
}

func within(n int64, bounds string) (bool, error) {
	if exception, rest, ok := strings.Cut(bounds, " or "); ok {
		if only, err := quantity(exception); err != nil || n == only {
			return true, err
		}
		bounds = rest
	}
	low, high, _ := strings.Cut(bounds, "..")
	least, errLow := quantity(low)
	most, errHigh := quantity(high)
	return least <= n && n <= most, errors.Join(errLow, errHigh)
}

func quantity(text string) (int64, error) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, nil
	}
	d, err := time.ParseDuration(text)
	return int64(d), err
}

// describe is the help of a flag, with what is allowed and the variable.
func describe(value *kong.Value) string {
	if value.Flag == nil {
		return value.Help
	}
	text := value.Help
	if allowed := value.Tag.Get("range") + value.Tag.Get("oneof"); allowed != "" {
		text += " Allowed: " + allowed + "."
	}
	if len(value.Flag.Envs) > 0 {
		text += " ($" + value.Flag.Envs[0] + ")"
	}
	return text
}

// faults are the things that are wrong with the settings, in the order they were found.
type faults struct {
	lines   []error
	flags   []string        // what the lines are about
	unknown map[string]bool // flags whose value could not be read: what else would be said of them misleads
	alone   map[string]bool // flags that have no variable
}

func (f *faults) setAlone(flag string) {
	if f.alone == nil {
		f.alone = map[string]bool{}
	}
	f.alone[flag] = true
}

// add notes what is wrong with a flag's value. The words follow "--flag (VARIABLE): ", or "--flag: " where it has no variable.
func (f *faults) add(flag, format string, args ...any) {
	if f.unknown[flag] {
		return
	}
	f.lines = append(f.lines, &fault{f, flag, fmt.Errorf(format, args...)})
	f.flags = append(f.flags, flag)
}

// unreadable notes that a flag has a value which cannot be read.
func (f *faults) unreadable(flag string, err error) {
	f.add(flag, "%w", err)
	if f.unknown == nil {
		f.unknown = map[string]bool{}
	}
	f.unknown[flag] = true
}

// sound reports whether nothing is wrong with either flag so far, so that their values may be compared.
func (f *faults) sound(a, b string) bool {
	return !slices.Contains(f.flags, a) && !slices.Contains(f.flags, b)
}

// fault is what is wrong with one flag. Whether that has a variable is known once the command is.
type fault struct {
	of   *faults
	flag string
	err  error
}

func (f *fault) Unwrap() error { return f.err }

func (f *fault) Error() string {
	if f.of.alone[f.flag] {
		return "--" + f.flag + ": " + f.err.Error()
	}
	return "--" + f.flag + " (" + variable(f.flag) + "): " + f.err.Error()
}

func (f *faults) err() error { return errors.Join(f.lines...) }

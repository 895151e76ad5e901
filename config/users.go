package config

import (
	"errors"
	"reflect"
)

// Users are the commands on users.
type Users struct {
	List     UsersList     `cmd:"" help:"List or search users."`
	Show     UsersShow     `cmd:"" help:"Show everything about a user but his metadata."`
	Create   UsersCreate   `cmd:"" help:"Create a user."`
	Update   UsersUpdate   `cmd:"" help:"Change a user. What is not given stays as it is."`
	Password UsersPassword `cmd:"" help:"Give a user a password, read from standard input, that he has to replace when he logs in."`
	Groups   UsersGroups   `cmd:"" help:"Show the groups of a user, or put him into exactly those that are given."`
	Role     UsersRole     `cmd:"" help:"Show what a user may do in the console, or change it."`
	Sessions UsersSessions `cmd:"" help:"List the sessions of a user, or end them."`
	Archive  UsersArchive  `cmd:"" help:"Write everything held about a user to a ZIP file."`
	Delete   UsersDelete   `cmd:"" help:"Erase a user with everything that is his."`
}

// UsersList are the settings of the users list command. All conditions must hold.
type UsersList struct {
	API      `embed:"" group:"Server"`
	Handle   string   `flagonly:"" group:"Search" placeholder:"TEXT" help:"Whose username or verified address begins with this."`
	Group    string   `flagonly:"" group:"Search" placeholder:"SLUG" help:"Who is in this group."`
	Has      []string `flagonly:"" sep:"none" group:"Search" placeholder:"KEY" help:"Who has an entry of this searchable key; may be repeated."`
	Equals   []string `flagonly:"" sep:"none" group:"Search" placeholder:"KEY=TEXT" help:"Whose entry is this text; may be repeated."`
	Prefix   []string `flagonly:"" sep:"none" group:"Search" placeholder:"KEY=TEXT" help:"Whose entry begins with this text; may be repeated."`
	Without  []string `flagonly:"" sep:"none" group:"Search" placeholder:"KEY" help:"Who has no entry of this searchable key; may be repeated."`
	Metadata bool     `flagonly:"" group:"Answer" help:"Show the metadata too."`
	Limit    int      `flagonly:"" group:"Answer" default:"1000" range:"1..1000000" help:"How many users to show."`
}

// User is the user a command is about.
type User struct {
	Name string `arg:"" name:"user" help:"A user, by id, username or verified address."`
}

// UsersShow are the settings of the users show command.
type UsersShow struct {
	API  `embed:"" group:"Server"`
	User `embed:""`
}

// Person is what can be said of a user; nil says nothing.
type Person struct {
	Username      *string `flagonly:"" group:"User" placeholder:"NAME" help:"Name to log in by."`
	Email         *string `flagonly:"" group:"User" placeholder:"ADDRESS" help:"E-mail address."`
	EmailVerified *bool   `flagonly:"" negatable:"" group:"User" help:"Whether the address is known to be the user's. Then it is a name to log in by too."`
	FullName      *string `flagonly:"" name:"full-name" group:"User" placeholder:"TEXT" help:"Full name, as in the claim name."`
	GivenName     *string `flagonly:"" group:"User" placeholder:"TEXT" help:"Given name."`
	FamilyName    *string `flagonly:"" group:"User" placeholder:"TEXT" help:"Family name."`
	Locale        *string `flagonly:"" group:"User" placeholder:"TAG" help:"Language, like de-CH."`
}

// UsersCreate are the settings of the users create command.
type UsersCreate struct {
	API      `embed:"" group:"Server"`
	ID       string `flagonly:"" group:"User" placeholder:"ID" help:"Identifier, for ever. Default: one the server makes up."`
	Person   `embed:""`
	Password bool `flagonly:"" group:"User" help:"Read a password from standard input. The user has to replace it when he logs in."`
}

// UsersUpdate are the settings of the users update command.
type UsersUpdate struct {
	API      `embed:"" group:"Server"`
	User     `embed:""`
	Person   `embed:""`
	Disabled *bool `flagonly:"" negatable:"" group:"User" help:"Whether he is kept out. All his logins end."`
}

// UsersPassword are the settings of the users password command.
type UsersPassword struct {
	API  `embed:"" group:"Server"`
	User `embed:""`
}

// UsersGroups are the settings of the users groups command.
type UsersGroups struct {
	API  `embed:"" group:"Server"`
	User `embed:""`
	Set  *string `flagonly:"" group:"Change" placeholder:"SLUG,.." help:"The groups he is to be in. Empty: none."`
}

// UsersRole are the settings of the users role command.
type UsersRole struct {
	API  `embed:"" group:"Server"`
	User `embed:""`
	Role string `arg:"" optional:"" help:"What he is to be: reader, operator, admin or none. Default: show it."`
}

// UsersSessions are the settings of the users sessions command.
type UsersSessions struct {
	API  `embed:"" group:"Server"`
	User `embed:""`
	End  string `flagonly:"" group:"Change" placeholder:"ID" help:"End this session, or with all everything that he is logged in to."`
}

// UsersArchive are the settings of the users archive command.
type UsersArchive struct {
	API  `embed:"" group:"Server"`
	User `embed:""`
	File string `arg:"" help:"File to write. It must not exist."`
}

// UsersDelete are the settings of the users delete command.
type UsersDelete struct {
	API  `embed:"" group:"Server"`
	User `embed:""`
	Yes  bool `flagonly:"" group:"Confirmation" help:"Do it without asking."`
}

func (u *UsersUpdate) check(f *faults) {
	u.API.check(f)
	somethingSaid(f, u.Disabled != nil || !reflect.ValueOf(u.Person).IsZero())
}

func (u *UsersCreate) check(f *faults) {
	u.API.check(f)
	if u.Password && u.Username == nil && u.Email == nil {
		f.lines = append(f.lines, errors.New("a user with a password needs a name to log in by: give --username, or --email with --email-verified"))
	}
}

func (u *UsersRole) check(f *faults) {
	u.API.check(f)
	switch u.Role {
	case "", "reader", "operator", "admin", "none":
	default:
		f.lines = append(f.lines, errors.New("role: one of reader, operator, admin, none"))
	}
}

func (u *UsersList) check(f *faults) {
	u.API.check(f)
	for flag, pairs := range map[string][]string{"equals": u.Equals, "prefix": u.Prefix} {
		checkPairs(f, flag, pairs)
	}
}

package config

// Groups are the commands on groups.
type Groups struct {
	List    GroupsList    `cmd:"" help:"List groups, in the order in which they go before each other."`
	Show    GroupsShow    `cmd:"" help:"Show a group."`
	Create  GroupsCreate  `cmd:"" help:"Create a group."`
	Update  GroupsUpdate  `cmd:"" help:"Change a group. What is not given stays as it is."`
	Delete  GroupsDelete  `cmd:"" help:"Delete a group. Its members inherit nothing from it any more."`
	Members GroupsMembers `cmd:"" help:"List the members of a group."`
	Join    GroupsJoin    `cmd:"" help:"Put a user into a group."`
	Leave   GroupsLeave   `cmd:"" help:"Take a user out of a group."`
}

// GroupsList are the settings of the groups list command.
type GroupsList struct {
	API `embed:"" group:"Server"`
}

// Group is the group a command is about.
type Group struct {
	Slug string `arg:"" name:"group" help:"The group."`
}

// GroupFacts is what can be said of a group; nil says nothing.
type GroupFacts struct {
	Name        *string `flagonly:"" group:"Facts" placeholder:"TEXT" help:"Name shown to people."`
	Description *string `flagonly:"" group:"Facts" placeholder:"TEXT" help:"What it is for."`
	Order       *int    `flagonly:"" group:"Facts" placeholder:"N" help:"Of two groups of a user the one with the smaller number goes before the other."`
}

// GroupsShow are the settings of the groups show command.
type GroupsShow struct {
	API   `embed:"" group:"Server"`
	Group `embed:""`
}

// GroupsCreate are the settings of the groups create command.
type GroupsCreate struct {
	API        `embed:"" group:"Server"`
	Group      `embed:""`
	GroupFacts `embed:""`
}

// GroupsUpdate are the settings of the groups update command.
type GroupsUpdate struct {
	API        `embed:"" group:"Server"`
	Group      `embed:""`
	GroupFacts `embed:""`
}

// GroupsDelete are the settings of the groups delete command.
type GroupsDelete struct {
	API   `embed:"" group:"Server"`
	Group `embed:""`
	Yes   bool `flagonly:"" group:"Confirmation" help:"Do it without asking."`
}

// GroupsMembers are the settings of the groups members command.
type GroupsMembers struct {
	API   `embed:"" group:"Server"`
	Group `embed:""`
}

// GroupsJoin are the settings of the groups join command.
type GroupsJoin struct {
	API   `embed:"" group:"Server"`
	Group `embed:""`
	User  `embed:""`
}

// GroupsLeave are the settings of the groups leave command.
type GroupsLeave struct {
	API   `embed:"" group:"Server"`
	Group `embed:""`
	User  `embed:""`
}

func (g *GroupsUpdate) check(f *faults) {
	g.API.check(f)
	somethingSaid(f, g.GroupFacts != GroupFacts{})
}

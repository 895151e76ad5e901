package config

// Definitions are the commands on what an organisation lays down for keys.
type Definitions struct {
	List   DefinitionsList   `cmd:"" help:"List definitions."`
	Show   DefinitionsShow   `cmd:"" help:"Show the definition of a key."`
	Check  DefinitionsCheck  `cmd:"" help:"Say what a definition would do to everybody, and change nothing."`
	Put    DefinitionsPut    `cmd:"" help:"Create or replace a definition."`
	Delete DefinitionsDelete `cmd:"" help:"Delete a definition. Entries stay; what held for their key no longer does."`
}

// DefinitionsList are the settings of the definitions list command.
type DefinitionsList struct {
	API `embed:"" group:"Server"`
}

// Key is the key a command is about.
type Key struct {
	Key string `arg:"" help:"The key."`
}

// DefinitionsShow are the settings of the definitions show command.
type DefinitionsShow struct {
	API `embed:"" group:"Server"`
	Key `embed:""`
}

// Definition is what can be laid down for a key: a file, and what goes before it.
type Definition struct {
	File         string   `flagonly:"" group:"Definition" placeholder:"FILE" help:"File with the definition as JSON, as definitions show -o json prints it; - is standard input. The other flags go before what it says."`
	Description  *string  `flagonly:"" group:"Definition" placeholder:"TEXT" help:"What the key is for."`
	Owner        *string  `flagonly:"" group:"Definition" placeholder:"TEXT" help:"Who answers questions about it."`
	Type         *string  `flagonly:"" group:"Definition" placeholder:"TYPE" help:"Type of its values: string, number, integer, boolean, object, array, null."`
	Schema       string   `flagonly:"" group:"Definition" placeholder:"FILE" help:"File with a JSON Schema (draft 2020-12) of its values."`
	MaxBytes     *int     `flagonly:"" group:"Definition" placeholder:"BYTES" help:"How long its values may be."`
	Claim        *string  `flagonly:"" group:"Definition" placeholder:"RULE" help:"Whether its entries appear in tokens: optional, always or never."`
	ProfileClaim *bool    `flagonly:"" negatable:"" group:"Definition" help:"Where it is optional and nobody says, whether they do."`
	Write        *string  `flagonly:"" group:"Definition" placeholder:"WHO" help:"Who writes it: operator or self, which is the user too."`
	Read         *string  `flagonly:"" group:"Definition" placeholder:"WHO" help:"Who reads it: operator, self or audience, which is whoever gets tokens."`
	Clients      []string `flagonly:"" group:"Definition" placeholder:"CLIENT,.." help:"The only clients whose tokens show it. An asterisk: all."`
	Places       []string `flagonly:"" group:"Definition" placeholder:"PLACE,.." help:"The only tokens that show it: access_token, id_token, userinfo, introspection. An asterisk: all."`
	Default      *string  `flagonly:"" group:"Definition" placeholder:"JSON" help:"What tokens of users without an entry say."`
	Searchable   *bool    `flagonly:"" negatable:"" group:"Definition" help:"Whether users can be searched by it."`
	Sensitive    *bool    `flagonly:"" negatable:"" group:"Definition" help:"Whether histories show only a hash of its values."`
}

// DefinitionsCheck are the settings of the definitions check command.
type DefinitionsCheck struct {
	API        `embed:"" group:"Server"`
	Key        `embed:""`
	Definition `embed:""`
}

// DefinitionsPut are the settings of the definitions put command.
type DefinitionsPut struct {
	API        `embed:"" group:"Server"`
	Key        `embed:""`
	Definition `embed:""`
	Accept     []string `flagonly:"" group:"Confirmation" placeholder:"WHAT,.." help:"What must not keep it from being changed: violations (entries against it stay until they are written again), self_write (claims operators wrote become their users' to change, and can no longer be trusted)."`
}

// DefinitionsDelete are the settings of the definitions delete command.
type DefinitionsDelete struct {
	API `embed:"" group:"Server"`
	Key `embed:""`
	Yes bool `flagonly:"" group:"Confirmation" help:"Do it without asking."`
}

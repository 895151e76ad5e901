// Package config owns the settings of every claimsmith command: their flags, environment variables, defaults, limits
// and the faults they can have. It reads the command line and the environment it is handed and nothing else but the
// files they name, and it refuses, all faults at once, whatever would start an unsafe or a broken server.
//
// One rule connects the two spellings of a setting: the flag --redis-addr is the variable CLAIMSMITH_REDIS_ADDR. A
// variable set to nothing counts as not set. A secret may be put in a file instead: CLAIMSMITH_REDIS_PASSWORD_FILE
// names the file that holds what CLAIMSMITH_REDIS_PASSWORD would.
//
// docs/configuration.md is made from the structs here.
package config

import (
	"net"
	"net/netip"
	"time"
)

// CLI is the whole command line, in the form kong reads.
type CLI struct {
	Dev       Dev       `cmd:"" help:"Run a server for trying out, on loopback, with Redis inside the process. Nothing is kept when it ends, unless --redis-addr names a Redis."`
	Serve     Serve     `cmd:"" help:"Run the server."`
	Bootstrap Bootstrap `cmd:"" help:"Prepare an empty Redis: signing keys, the default organisation and the first operator, whose token is printed once."`
	Keys      Keys      `cmd:"" help:"List, rotate or withdraw the signing keys."`
	Health    Health    `cmd:"" help:"Ask a running server whether it is ready. Exits 0 when it is, 1 when it is not."`

	Meta        Meta           `cmd:"" help:"Read, set, preview and roll back metadata."`
	Users       Users          `cmd:"" help:"List, search, show, create, change and erase users."`
	Orgs        Orgs           `cmd:"" help:"List, show, create and change organisations."`
	Groups      Groups         `cmd:"" help:"List, show, create, change and delete groups and their members."`
	Clients     Clients        `cmd:"" help:"Create, list, show, change or delete the clients of a running server."`
	Definitions Definitions    `cmd:"" help:"Lay down what metadata keys mean, who may write and who may see them."`
	Tokens      TokensCommand  `cmd:"" help:"Inspect tokens."`
	Import      Import         `cmd:"" help:"Create the users of a file, with their metadata, groups and password hashes. An import that was cut off goes on where it was."`
	Export      Export         `cmd:"" help:"Write all users with their metadata and groups, in the form that import reads."`
	Audit       AuditCommand   `cmd:"" help:"Read and verify the audit log."`
	Profile     ProfileCommand `cmd:"" help:"Store servers to speak to."`
	Completion  Completion     `cmd:"" help:"Print a script that completes claimsmith commands: source <(claimsmith completion bash)."`
}

// Command is the one command that was asked for, complete and checked: a pointer to one of the structs here that have no commands below
// them.
type Command interface {
	check(*faults)
}

// Dev are the settings of the dev command.
type Dev struct {
	Server           `embed:""`
	RedisAddr        string `group:"Development" placeholder:"HOST:PORT" help:"A standalone Redis to keep the data in, in place of the one inside the process."`
	DevOperatorToken Secret `group:"Development" placeholder:"TOKEN" help:"Token of the operator. Default: a random one, printed at start."`
	DevPassword      Secret `group:"Development" placeholder:"PASSWORD" help:"Password of the user made at start. Default: a random one, printed at start."`
}

// Serve are the settings of the serve command.
type Serve struct {
	Server  `embed:""`
	Redis   Redis   `embed:"" prefix:"redis-" group:"Redis"`
	Secrets Secrets `embed:"" group:"Secrets"`
}

// Server are the settings dev and serve have in common.
type Server struct {
	HTTP      HTTP      `embed:"" group:"HTTP"`
	Issuer    string    `group:"HTTP" placeholder:"URL" help:"The URL clients know this server by, exactly as in the tokens' iss claim: https, no query, no fragment, no slash at the end. In dev, http on loopback will do, and the default is the address listened on."`
	Tokens    Tokens    `embed:"" group:"Tokens"`
	Sessions  Sessions  `embed:"" prefix:"session-" group:"Sessions"`
	Logout    Logout    `embed:"" prefix:"logout-" group:"Sessions"`
	Passwords Passwords `embed:"" prefix:"password-" group:"Passwords"`
	Limits    Limits    `embed:"" group:"Limits"`
	Mail      Mail      `embed:"" group:"Mail"`
	Files     string    `group:"Files" placeholder:"PLACE" help:"Where files of people are kept: a directory, or s3://BUCKET with the query of gocloud.dev/blob/s3blob (region, endpoint, use_path_style), whose credentials are those of the AWS SDK. All servers need the same place. Default: /var/lib/claimsmith/files, or no files where that cannot be made. In dev: in memory, or with --redis-addr in the cache directory of the user."`
	Audit     Audit     `embed:"" prefix:"audit-" group:"Audit"`
	Dialects  Dialects  `group:"Dialects" default:"iblai,sentinel,zitadel" placeholder:"NAME,..." help:"Which other systems' clients are served beside the own API: iblai, sentinel, zitadel, or none."`
	Log       Log       `embed:"" prefix:"log-" group:"Log"`
}

// Bootstrap are the settings of the bootstrap command.
type Bootstrap struct {
	ReplaceToken bool    `group:"Bootstrap" help:"Make a new administrator's token in place of those bootstrap made before, when theirs was lost."`
	Redis        Redis   `embed:"" prefix:"redis-" group:"Redis"`
	Secrets      Secrets `embed:"" group:"Secrets"`
	Tokens       Tokens  `embed:"" group:"Tokens"`
	Log          Log     `embed:"" prefix:"log-" group:"Log"`
}

// Keys are the commands on the signing keys.
type Keys struct {
	List     KeysList     `cmd:"" help:"Show every signing key with its algorithm and its dates."`
	Rotate   KeysRotate   `cmd:"" help:"Publish the next signing keys now. They sign once verifiers have had --jwks-max-age to learn them."`
	Withdraw KeysWithdraw `cmd:"" help:"Stop publishing a signing key at once, because it is known to others. Every token it signed becomes invalid."`
}

// KeysList are the settings of the keys list command.
type KeysList struct {
	Redis Redis `embed:"" prefix:"redis-" group:"Redis"`
	Log   Log   `embed:"" prefix:"log-" group:"Log"`
}

// KeysRotate are the settings of the keys rotate command. Tokens must be those of the servers: they say how long a key
// is published before and after it signs.
type KeysRotate struct {
	Redis   Redis   `embed:"" prefix:"redis-" group:"Redis"`
	Secrets Secrets `embed:"" group:"Secrets"`
	Tokens  Tokens  `embed:"" group:"Tokens"`
	Log     Log     `embed:"" prefix:"log-" group:"Log"`
}

// KeysWithdraw are the settings of the keys withdraw command.
type KeysWithdraw struct {
	KeysRotate `embed:""`
	ID         string `arg:"" name:"id" help:"Identifier of the key, its kid in the key set."`
}

// Health are the settings of the health command.
type Health struct {
	Addr          string        `group:"HTTP" default:"127.0.0.1:8080" help:"Address the server listens on."`
	HealthTimeout time.Duration `group:"HTTP" default:"3s" range:"100ms..1m" help:"How long to wait for the answer."`
}

// URL is where the server says whether it is ready. A server that listens on every interface is asked on loopback.
func (h *Health) URL() string {
	host, port, _ := net.SplitHostPort(h.Addr)
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip == netip.IPv4Unspecified() {
		host = "127.0.0.1"
	} else if err == nil && ip == netip.IPv6Unspecified() {
		host = "::1"
	}
	return "http://" + net.JoinHostPort(host, port) + "/readyz"
}

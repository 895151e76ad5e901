package preview

// Members reads the members of a payload.
var Members = members

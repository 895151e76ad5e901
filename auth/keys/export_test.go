package keys

// NewKey and Thumbprint are newKey and thumbprint for tests with keys from the RFCs.
var (
	NewKey     = newKey
	Thumbprint = thumbprint
)

// SealKey is Key.seal.
func SealKey(k *Key, s *Sealer) ([]byte, error) { return k.seal(s) }

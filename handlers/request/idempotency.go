package request

import "net/http"

const maxIdempotencyKey = 200

// IdempotencyKey returns the client's name for a request it may repeat, "" without one: 1 to 200 printable ASCII characters.
func IdempotencyKey(r *http.Request) (string, error) {
	headers := r.Header.Values("Idempotency-Key")
	if len(headers) == 0 {
		return "", nil
	}
	key := headers[0]
	valid := len(headers) == 1 && key != "" && len(key) <= maxIdempotencyKey
	for i := range len(key) {
		valid = valid && key[i] > 0x20 && key[i] < 0x7f
	}
	if !valid {
		return "", malformed("Idempotency-Key", "must be sent once, as 1 to 200 printable ASCII characters without space")
	}
	return key, nil
}

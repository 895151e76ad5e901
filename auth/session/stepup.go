package session

import "time"

// stepUp is how long after a user has proved who he is he may change how he does that (row S-10).
const stepUp = 5 * time.Minute

// Fresh reports whether the user of a session has proved who he is recently enough to change his credentials.
func (s *Service) Fresh(sess *Session) bool { return s.Now().Sub(sess.AuthTime) < stepUp }

package handlers

import "net/http"

// HTTP opens the connection settings to tests.
func (s *Server) HTTP() *http.Server { return s.http }

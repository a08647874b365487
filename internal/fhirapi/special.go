package fhirapi

import (
	"context"
	"net/http"

	"yilian/internal/db"
)

// special answers what is more than one interaction: bundles and exports.
func (s *Server) special(w http.ResponseWriter, r *http.Request, me who, q request) (done bool, err error) {
	if len(q.path) == 0 && q.method == http.MethodPost {
		resp, err := s.bundle(r.Context(), me, q)
		if err != nil {
			return true, err
		}
		s.write(w, r, resp.status, resp.body)
		return true, nil
	}
	return false, nil
}

func (s *Server) validate(ctx context.Context, tx *db.Tx, me who, q request) (response, error) {
	return response{}, unknownPath(q)
}

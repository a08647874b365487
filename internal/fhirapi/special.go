package fhirapi

import "net/http"

// special answers what is more than one interaction: a bundle.
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

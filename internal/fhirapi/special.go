package fhirapi

import "net/http"

// special answers what is more than one interaction in one transaction: a
// bundle, operations that make transactions of their own, and exports.
func (s *Server) special(w http.ResponseWriter, r *http.Request, me who, q request) (done bool, err error) {
	var resp response
	switch {
	case len(q.path) == 0 && q.method == http.MethodPost:
		resp, err = s.bundle(r.Context(), me, q)
	case len(q.path) > 1 && q.path[0] == exportPath:
		resp, err = s.exports(r, me, q)
	default:
		o, err := operationOf(q)
		if err != nil || o == nil || o.alone == nil {
			return err != nil, err
		}
		if resp, err = o.alone(s, r.Context(), me, q); err != nil {
			return true, err
		}
	}
	if err != nil {
		return true, err
	}
	for name, value := range resp.headers {
		w.Header().Set(name, value)
	}
	s.write(w, r, resp.status, resp.body)
	return true, nil
}

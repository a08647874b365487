package referralweb

import (
	"net/http"

	"github.com/a-h/templ"

	"yilian/internal/errs"
	"yilian/internal/web"
)

// downAgain shows a form again with what was wrong and everything typed.
func (p *Pages) downAgain(w http.ResponseWriter, r *http.Request, cause error, page func(downCase) templ.Component) error {
	if !errs.Correctable(cause) {
		return cause
	}
	q, err := p.downView(r.Context(), r)
	if err != nil {
		return err
	}
	q.Err = cause
	return web.Render(w, r, web.Status(cause), page(q))
}

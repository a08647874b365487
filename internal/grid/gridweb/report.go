package gridweb

import (
	"context"
	"net/http"

	"yilian/internal/access"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/grid"
	"yilian/internal/grid/report"
	"yilian/internal/web"
)

// loadReport finds the report of a layout and what the actor may do with it.
func (f *face) loadReport(ctx context.Context, tx *db.Tx, actor access.Actor, p *layoutPage) (err error) {
	if p.Report, p.Sent, err = report.Of(ctx, tx, p.Layout.ID); err != nil || !p.Sent {
		return err
	}
	p.Acts = f.reports.Flow.Actions(p.Report.Case, actor)
	for _, a := range p.Acts {
		if a.Reasons != "" {
			if p.Codes, err = f.reports.Flow.Codes(a.Reasons, p.Report.Case.Place, tx.Now); err != nil {
				return err
			}
		}
	}
	return nil
}

// report leads from the case to its layout.
func (f *face) report(w http.ResponseWriter, r *http.Request) error {
	l, err := f.reported(r)
	if err != nil {
		return err
	}
	return web.Redirect(w, r, at(l)+"#report")
}

func (f *face) reported(r *http.Request) (l grid.Layout, err error) {
	ctx := r.Context()
	err = f.svc.DB.View(ctx, func(tx *db.Tx) error {
		x, err := report.Get(ctx, tx, r.PathValue("case"))
		if err != nil {
			return err
		}
		if l, err = grid.Get(ctx, tx, x.Layout); err != nil {
			return err
		}
		return mayRead(ctx, tx, access.ActorOf(ctx), l.Unit)
	})
	return l, err
}

func (f *face) act(w http.ResponseWriter, r *http.Request) error {
	ctx, actor := r.Context(), access.ActorOf(r.Context())
	l, err := f.reported(r)
	if err != nil {
		return err
	}
	ref := report.Ref{ID: r.PathValue("case"), Version: int(web.Version(r)), Once: web.OnceToken(r)}
	said := map[string]string{report.Send: "已报送", report.Pass: "已同意并上报", report.File: "已准予备案", report.Return: "已退回补正"}[r.PathValue("action")]
	switch r.PathValue("action") {
	case report.Send:
		err = f.reports.Send(ctx, actor, ref)
	case report.Pass:
		err = f.reports.Pass(ctx, actor, ref)
	case report.File:
		err = f.reports.File(ctx, actor, ref)
	case report.Return:
		err = f.reports.Return(ctx, actor, ref, r.FormValue("reason"), r.FormValue("comment"))
	default:
		return errs.E(errs.NotFound, "没有这个办理动作")
	}
	if errs.Is(err, errs.Invalid) || errs.Is(err, errs.Conflict) {
		r.SetPathValue("unit", l.Unit)
		r.SetPathValue("id", l.ID)
		return f.renderLayout(w, r, layoutPage{Err: err})
	}
	if err != nil {
		return err
	}
	web.Flash(w, r, web.Good, said)
	return web.Redirect(w, r, at(l)+"#report")
}

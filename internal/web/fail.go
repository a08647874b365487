package web

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"yilian/internal/errs"
)

// Status returns the HTTP status that answers an error; 200 when there is none.
func Status(err error) int {
	if err == nil {
		return http.StatusOK
	}
	var long *http.MaxBytesError
	if errors.As(err, &long) {
		return http.StatusRequestEntityTooLarge
	}
	switch errs.KindOf(err) {
	case errs.Invalid:
		return http.StatusUnprocessableEntity
	case errs.NotFound:
		return http.StatusNotFound
	case errs.Conflict:
		return http.StatusConflict
	case errs.Forbidden:
		return http.StatusForbidden
	case errs.Unavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// Fault is what an error page says.
type Fault struct {
	Status   int
	Title    string
	Message  string
	Clause   string
	Fields   []errs.Field
	Incident string // id under which the log holds the cause; internal faults only
}

func faultOf(v *visit, err error) Fault {
	f := Fault{Status: Status(err)}
	if e, ok := errors.AsType[*errs.Error](err); ok && f.Status != http.StatusInternalServerError {
		f.Message, f.Clause, f.Fields = e.Message, e.Clause, e.Fields
	}
	switch f.Status {
	case http.StatusUnprocessableEntity:
		f.Title = "填写的内容有误"
	case http.StatusNotFound:
		f.Title = "没有找到"
	case http.StatusConflict:
		f.Title = "情况已经变化"
	case http.StatusForbidden:
		f.Title = "没有权限"
	case http.StatusServiceUnavailable:
		f.Title = "暂时不能服务"
	case http.StatusRequestEntityTooLarge:
		f.Title, f.Message = "内容太大", "提交的内容超过了大小限制，请减小附件后重试。"
	default:
		f.Title, f.Incident = "系统出了问题", v.incident
		f.Message = "处理时发生故障。请返回核对内容是否已保存，再重试；如仍不行，请把故障编号告诉系统管理员。"
	}
	return f
}

// Fail answers an error in the form the request can show: a page, a toast for
// htmx, plain text for scripts. Internal faults are logged here, once.
func Fail(w http.ResponseWriter, r *http.Request, err error) {
	v := visitOf(r.Context())
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		return // the browser has gone; nobody reads an answer
	}
	f := faultOf(v, err)
	if f.Incident != "" && v.site != nil {
		v.site.opts.Log.Error("internal fault", "incident", f.Incident, "method", r.Method, "route", r.Pattern, "err", err)
	}
	if e, ok := errors.AsType[*errs.Error](err); ok && f.Status == http.StatusServiceUnavailable && v.site != nil {
		// The user is told what to do; the administrator needs the cause.
		v.site.opts.Log.Warn("unavailable", "method", r.Method, "route", r.Pattern, "err", err, "cause", errors.Unwrap(e))
	}
	if rec, ok := w.(*recorder); ok && rec.status != 0 {
		return // half an answer is out already; the connection ends here
	}
	w.Header().Del("HX-Push-Url")
	switch {
	case v.fragment:
		w.Header().Set("HX-Retarget", "#toasts")
		w.Header().Set("HX-Reswap", "beforeend")
		w.Header().Set("HX-Push-Url", "false")
		err = Render(w, r, f.Status, faultToast(f))
	case strings.HasPrefix(r.Header.Get("Accept"), "text/plain"):
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(f.Status)
		_, _ = w.Write([]byte(f.sentence())) // the script has gone; nobody to tell
		return
	default:
		err = Render(w, r, f.Status, faultPage(f))
	}
	if err != nil && v.site != nil {
		v.site.opts.Log.Error("error page failed", "incident", v.incident, "err", err)
		w.WriteHeader(http.StatusInternalServerError)
	}
}

// sentence is the fault as one paragraph.
func (f Fault) sentence() string {
	parts := []string{}
	if f.Message != "" {
		parts = append(parts, f.Message)
	}
	for _, x := range f.Fields {
		parts = append(parts, x.Message)
	}
	s := strings.Join(parts, "；")
	if f.Clause != "" {
		s += "（依据：" + f.Clause + "）"
	}
	if f.Incident != "" {
		s += "故障编号：" + f.Incident
	}
	return s
}

package exchangeweb

import (
	"encoding/base64"
	"net/http"
	"net/url"

	"github.com/a-h/templ"

	"yilian/internal/access"
	"yilian/internal/errs"
	"yilian/internal/exchange"
	"yilian/internal/exchange/table"
	"yilian/internal/web"
)

// maxFile bounds an upload: some hundred thousand rows.
const maxFile = 64 << 20

// shownProblems is how many wrong rows a page lists; all of them can be
// downloaded.
const shownProblems = 200

type filesView struct {
	Files  []exchange.File
	Kind   string
	Err    error
	Report *exchange.FileReport
}

func (f *face) fileRoutes(site *web.Site) {
	site.Handle("GET /exchange/files", f.files)
	site.Handle("POST /exchange/files", f.importFile)
	site.Handle("GET /exchange/files/{kind}/{name}", f.template)
	site.Handle("POST /exchange/documents", f.takeDocument)
	site.Handle("GET /exchange/documents/{id}", f.document)
}

func (f *face) filesView(actor access.Actor) (filesView, error) {
	var v filesView
	for _, x := range exchange.Files() {
		if exchange.MayImport(actor, x.Kind) {
			v.Files = append(v.Files, x)
		}
	}
	if len(v.Files) == 0 {
		return v, access.Require(actor, access.ExchangeManage, access.Own)
	}
	return v, nil
}

func (f *face) files(w http.ResponseWriter, r *http.Request) error {
	v, err := f.filesView(access.ActorOf(r.Context()))
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, filesPage(v))
}

// template gives an empty file.
func (f *face) template(w http.ResponseWriter, r *http.Request) error {
	actor := access.ActorOf(r.Context())
	file, err := exchange.FileOf(r.PathValue("kind"))
	if err != nil {
		return err
	}
	if !exchange.MayImport(actor, file.Kind) {
		return access.Require(actor, access.ExchangeManage, access.Own)
	}
	csv, workbook, err := file.Template()
	if err != nil {
		return err
	}
	name, kind, body := file.Title+"模板.csv", "text/csv; charset=utf-8", csv
	if r.PathValue("name") == "template.xlsx" {
		name, kind, body = file.Title+"模板.xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", workbook
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Disposition", "attachment; filename*=UTF-8''"+url.PathEscape(name))
	_, err = w.Write(body)
	return err
}

func (f *face) importFile(w http.ResponseWriter, r *http.Request) error {
	actor := access.ActorOf(r.Context())
	v, err := f.filesView(actor)
	if err != nil {
		return err
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxFile)
	v.Kind = r.FormValue("kind")
	upload, head, err := r.FormFile("file")
	if err != nil {
		var form errs.Form
		form.Add("file", "请选择要导入的文件（CSV 或 Excel，不超过 64 MB）")
		v.Err = form.Err()
		return web.Render(w, r, http.StatusUnprocessableEntity, filesPage(v))
	}
	defer upload.Close()
	report, err := f.s.Import(r.Context(), actor, v.Kind, head.Filename, upload, r.FormValue("dry") != "no")
	if errs.Correctable(err) {
		v.Err = err
		return web.Render(w, r, web.Status(err), filesPage(v))
	}
	if err != nil {
		return err
	}
	v.Report = &report
	return web.Render(w, r, http.StatusOK, filesPage(v))
}

// restURL is the wrong rows as a file, with the reason in the last column: to be
// mended and imported again.
func restURL(r *exchange.FileReport) templ.SafeURL {
	return templ.SafeURL("data:text/csv;charset=utf-8;base64," + base64.StdEncoding.EncodeToString(table.CSV(r.Rest)))
}

func (v filesView) options() []web.Option {
	var out []web.Option
	for _, f := range v.Files {
		out = append(out, web.Option{Value: string(f.Kind), Text: f.Title})
	}
	return out
}

func shown(list []exchange.RowProblem) []exchange.RowProblem {
	return list[:min(len(list), shownProblems)]
}

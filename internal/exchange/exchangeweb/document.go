package exchangeweb

import (
	"io"
	"net/http"

	"yilian/internal/access"
	"yilian/internal/errs"
	"yilian/internal/exchange/cda"
	"yilian/internal/web"
)

// maxDocument bounds one document, which may carry a scanned paper.
const maxDocument = 20 << 20

func (f *face) takeDocument(w http.ResponseWriter, r *http.Request) error {
	actor := access.ActorOf(r.Context())
	v, err := f.filesView(actor)
	if err != nil {
		return err
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxDocument)
	upload, _, err := r.FormFile("document")
	if err != nil {
		var form errs.Form
		form.Add("document", "请选择要导入的文书（XML，不超过 20 MB）")
		v.Err = form.Err()
		return web.Render(w, r, http.StatusUnprocessableEntity, filesPage(v))
	}
	defer upload.Close()
	raw, err := io.ReadAll(upload)
	if err != nil {
		return err
	}
	id, err := f.s.TakeDocument(r.Context(), actor, raw)
	if errs.Correctable(err) {
		v.Err = err
		return web.Render(w, r, web.Status(err), filesPage(v))
	}
	if err != nil {
		return err
	}
	web.Flash(w, r, web.Good, "文书已归入患者的健康档案，原文完整保留")
	return web.Redirect(w, r, "/exchange/documents/"+id)
}

func (f *face) document(w http.ResponseWriter, r *http.Request) error {
	d, err := f.s.Document(r.Context(), access.ActorOf(r.Context()), r.PathValue("id"))
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, documentPage(d))
}

// bodyOf says what an unstructured document carries.
func bodyOf(a cda.Attachment) string {
	switch {
	case a.MediaType == "" && a.Data == "":
		return ""
	case a.MediaType == "text/plain":
		return a.Data
	case a.MediaType == "":
		return a.Data
	}
	return "这份文书的正文是一个附件（" + a.MediaType + "），原文随文档保存"
}

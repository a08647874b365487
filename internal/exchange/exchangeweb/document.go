package exchangeweb

import (
	"io"
	"net/http"

	"yilian/internal/access"
	"yilian/internal/errs"
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

// document leads to the document in the record of its patient, where the access
// decision is made.
func (f *face) document(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	who, err := f.s.DocumentOf(r.Context(), id)
	if err != nil {
		return err
	}
	return web.Redirect(w, r, "/patients/"+who+"/facts/DocumentReference/"+id)
}

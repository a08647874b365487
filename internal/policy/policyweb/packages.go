package policyweb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"yilian/internal/access"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/policy"
	"yilian/internal/policy/library"
	"yilian/internal/web"
	"yilian/profiles"
)

func (p *Pages) packageRoutes(site *web.Site) {
	site.Menu(web.Item{Group: "政策与日历", Title: "政策载入", Icon: "upload", Path: "/policy/packages", Order: 815, Rights: []string{string(access.PolicyManage)}})
	site.Handle("GET /policy/packages", func(w http.ResponseWriter, r *http.Request) error {
		return p.packages(w, r, "", nil)
	})
	site.Handle("GET /policy/packages/template", p.template)
	site.Handle("POST /policy/packages/check", p.check)
	site.Handle("POST /policy/packages", p.activate)
	site.Handle("POST /policy/packages/{profile}/withdraw", p.withdraw)
	site.Handle("GET /policy/packages/{profile}/{version}", p.version)
}

func mayManage(ctx context.Context) bool {
	return access.May(access.ActorOf(ctx), access.PolicyManage, access.Any)
}

func manage(ctx context.Context) error {
	return access.Require(access.ActorOf(ctx), access.PolicyManage, access.Any)
}

type packagesView struct {
	InForce []library.Version
	History []library.Activation
	Text    string
	Err     error
}

func (p *Pages) packages(w http.ResponseWriter, r *http.Request, text string, wrong error) error {
	if err := manage(r.Context()); err != nil {
		return err
	}
	v := packagesView{Text: text, Err: wrong}
	var err error
	if v.InForce, err = p.Library.InForce(r.Context()); err != nil {
		return err
	}
	err = p.DB.View(r.Context(), func(tx *db.Tx) (err error) {
		v.History, err = library.History(r.Context(), tx, "")
		return err
	})
	if err != nil {
		return err
	}
	return web.Render(w, r, web.Status(wrong), packagesPage(v))
}

// template hands out the file that a new profile is written from.
func (p *Pages) template(w http.ResponseWriter, r *http.Request) error {
	if err := manage(r.Context()); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="profile.toml"`)
	_, err := io.WriteString(w, profiles.Template)
	return err
}

// packageLimit bounds what one package may hold; the largest shipped one has
// some 60 KB.
const packageLimit = 2 << 20

// read takes the package from chosen files, or from the pasted text.
func read(r *http.Request) (string, error) {
	if err := r.ParseMultipartForm(packageLimit); err != nil && !errors.Is(err, http.ErrNotMultipart) {
		return "", errs.Because(err, errs.Invalid, "上传的内容无法读取，可能文件太大：一份政策文件一般不超过 100 KB")
	}
	text := strings.ReplaceAll(r.FormValue("text"), "\r\n", "\n")
	if r.MultipartForm == nil || len(r.MultipartForm.File["file"]) == 0 {
		return text, nil
	}
	files := policy.Files{}
	for _, head := range r.MultipartForm.File["file"] {
		file, err := head.Open()
		if err != nil {
			return text, fmt.Errorf("open upload: %w", err)
		}
		raw, err := io.ReadAll(io.LimitReader(file, packageLimit))
		if err := errors.Join(err, file.Close()); err != nil {
			return text, fmt.Errorf("read upload: %w", err)
		}
		if len(raw) > 0 {
			files[head.Filename] = strings.ReplaceAll(string(raw), "\r\n", "\n")
		}
	}
	if len(files) == 0 {
		return text, nil
	}
	return library.Join(files), nil
}

// packageOf splits the text of a form; every part must be a TOML file.
func packageOf(text string) (policy.Files, error) {
	files := library.Split(text)
	for name := range files {
		if !strings.HasSuffix(name, ".toml") || strings.ContainsAny(name, "/\\") {
			return nil, errs.E(errs.Invalid, "文件 %q 不是 .toml 文件，不能载入", name)
		}
	}
	if files["profile.toml"] == "" {
		return nil, errs.E(errs.Invalid, "没有内容，或缺少 profile.toml：请选择文件，或粘贴内容")
	}
	return files, nil
}

func (p *Pages) check(w http.ResponseWriter, r *http.Request) error {
	if err := manage(r.Context()); err != nil {
		return err
	}
	text, err := read(r)
	if err == nil {
		var files policy.Files
		if files, err = packageOf(text); err == nil {
			var t library.Trial
			if t, err = p.Library.DryRun(r.Context(), access.ActorOf(r.Context()), files); err == nil {
				return web.Render(w, r, http.StatusOK, trialPage(trialView{Trial: t, Text: text}))
			}
		}
	}
	if !errs.Is(err, errs.Invalid) {
		return err
	}
	return p.packages(w, r, text, err)
}

type trialView struct {
	Trial  library.Trial
	Text   string
	Reason string
	Err    error
}

func (p *Pages) activate(w http.ResponseWriter, r *http.Request) error {
	actor := access.ActorOf(r.Context())
	if err := manage(r.Context()); err != nil {
		return err
	}
	text, reason := strings.ReplaceAll(r.FormValue("text"), "\r\n", "\n"), r.FormValue("reason")
	files, err := packageOf(text)
	if err != nil {
		return p.packages(w, r, text, err)
	}
	one, err := p.Library.Activate(r.Context(), actor, files, r.FormValue("digest"), reason, web.OnceToken(r))
	if errs.Is(err, errs.Invalid) {
		t, terr := p.Library.DryRun(r.Context(), actor, files)
		if terr != nil {
			return p.packages(w, r, text, terr)
		}
		return web.Render(w, r, web.Status(err), trialPage(trialView{Trial: t, Text: text, Reason: reason, Err: err}))
	}
	if err != nil {
		return err
	}
	web.Flash(w, r, web.Good, fmt.Sprintf("已启用%s（版本 %s）。此后新发生的事项按它办理，在办事项不变；其他服务进程一分钟内跟上", one.Document(), one.Version))
	return web.Redirect(w, r, "/policy/packages")
}

func (p *Pages) withdraw(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("profile")
	err := p.Library.Withdraw(r.Context(), access.ActorOf(r.Context()), id, r.FormValue("comment"))
	if errs.Is(err, errs.Invalid) {
		return p.packages(w, r, "", err)
	}
	if err != nil {
		return err
	}
	web.Flash(w, r, web.Good, "已撤回 "+id+" 的上传版本。已按它作出的决定保持不变")
	return web.Redirect(w, r, "/policy/packages")
}

func (p *Pages) version(w http.ResponseWriter, r *http.Request) error {
	var v library.Version
	err := p.DB.View(r.Context(), func(tx *db.Tx) (err error) {
		v, err = library.GetVersion(r.Context(), tx, r.PathValue("profile"), r.PathValue("version"))
		return err
	})
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, versionPage(v))
}

package gridweb

import (
	"io"
	"net/http"
	"strconv"
	"strings"

	"yilian/internal/access"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/grid"
	"yilian/internal/web"
)

// groundPage is what is known of a unit's divisions, and the forms that enter
// it.
type groundPage struct {
	Unit   grid.Unit
	Edit   bool
	Year   string
	Source string
	People map[string]string // typed
	Places map[string][2]string
	Err    error
	Which  string // the form that failed: people, places, shapes
}

func (f *face) ground(w http.ResponseWriter, r *http.Request) error {
	return f.renderGround(w, r, groundPage{})
}

func (f *face) renderGround(w http.ResponseWriter, r *http.Request, p groundPage) error {
	ctx, actor := r.Context(), access.ActorOf(r.Context())
	err := f.svc.DB.View(ctx, func(tx *db.Tx) (err error) {
		if err := mayRead(ctx, tx, actor, r.PathValue("unit")); err != nil {
			return err
		}
		p.Edit = grid.MayEdit(ctx, tx, actor, r.PathValue("unit"))
		if p.Year == "" {
			p.Year = strconv.Itoa(tx.Now.Year())
		}
		p.Unit, err = grid.Open(ctx, tx, r.PathValue("unit"))
		return err
	})
	if err != nil {
		return err
	}
	return web.Render(w, r, web.Status(p.Err), groundView(p))
}

// grounded answers one of the forms of the page.
func (f *face) grounded(w http.ResponseWriter, r *http.Request, p groundPage, said string) error {
	if errs.Is(p.Err, errs.Invalid) {
		return f.renderGround(w, r, p)
	}
	if p.Err != nil {
		return p.Err
	}
	web.Flash(w, r, web.Good, said)
	return web.Redirect(w, r, "/grid/"+r.PathValue("unit")+"/ground")
}

func (f *face) people(w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseForm(r); err != nil {
		return err
	}
	p := groundPage{Which: "people", Year: web.Typed(r, "year"), Source: web.Typed(r, "source"), People: map[string]string{}}
	var list []grid.People
	var form errs.Form
	year, err := strconv.Atoi(p.Year)
	if err != nil {
		form.Add("year", "请填写四位数的年份")
	}
	for name := range r.Form {
		code, ok := strings.CutPrefix(name, "people-")
		text := web.Typed(r, name)
		if p.People[code] = text; !ok || text == "" {
			continue
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			form.Add(code, "“%s”不是整数", text)
			continue
		}
		list = append(list, grid.People{Code: code, Year: year, People: n, Source: p.Source, Estimated: r.FormValue("estimated") != ""})
	}
	if len(list) == 0 {
		form.Add("", "没有填写任何一个乡镇（街道）的人口")
	}
	if p.Err = form.Err(); p.Err == nil {
		p.Err = f.svc.SetPeople(r.Context(), access.ActorOf(r.Context()), r.PathValue("unit"), list)
	}
	return f.grounded(w, r, p, "人口已登记")
}

func (f *face) places(w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseForm(r); err != nil {
		return err
	}
	p := groundPage{Which: "places", Places: map[string][2]string{}}
	at := map[string]grid.Point{}
	var form errs.Form
	for name := range r.Form {
		code, ok := strings.CutPrefix(name, "column-")
		if !ok {
			continue
		}
		column, row := web.Typed(r, name), web.Typed(r, "row-"+code)
		p.Places[code] = [2]string{column, row}
		x, errX := strconv.ParseInt(column, 10, 32)
		y, errY := strconv.ParseInt(row, 10, 32)
		if errX != nil || errY != nil {
			form.Add(code, "列和行应是整数")
			continue
		}
		at[code] = grid.Point{x, y}
	}
	if p.Err = form.Err(); p.Err == nil {
		p.Err = f.svc.SetPlaces(r.Context(), access.ActorOf(r.Context()), r.PathValue("unit"), at)
	}
	return f.grounded(w, r, p, "示意图已更新")
}

func (f *face) shapes(w http.ResponseWriter, r *http.Request) error {
	p := groundPage{Which: "shapes"}
	file, err := upload(w, r)
	if p.Err = err; err == nil {
		p.Err = f.svc.Upload(r.Context(), access.ActorOf(r.Context()), r.PathValue("unit"), file)
	}
	return f.grounded(w, r, p, "边界已更新，相邻关系按边界重新计算")
}

// upload reads the file of the form, not more of it than is taken.
func upload(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	var form errs.Form
	r.Body = http.MaxBytesReader(w, r.Body, grid.MaxUpload+1<<20)
	part, _, err := r.FormFile("file")
	if err != nil {
		form.Add("file", "请选择 GeoJSON 文件（不超过 %d MB）", grid.MaxUpload>>20)
		return nil, form.Err()
	}
	defer part.Close()
	data, err := io.ReadAll(part)
	if err != nil {
		form.Add("file", "文件没有传完，请重试")
	}
	return data, form.Err()
}

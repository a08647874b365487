package exchangeweb

import (
	"net/http"
	"strconv"
	"time"

	"yilian/internal/access"
	"yilian/internal/db"
	"yilian/internal/encounter"
	"yilian/internal/errs"
	"yilian/internal/fhir/search"
	"yilian/internal/web"
)

// uncountedView is the page of visits that systems have sent by FHIR and that
// are kept without being counted.
type uncountedView struct {
	Rows  []encounter.Uncounted
	Total int64
	Page  int
}

func (f *face) uncounted(w http.ResponseWriter, r *http.Request) error {
	actor := access.ActorOf(r.Context())
	if err := access.Require(actor, access.ExchangeManage, access.Own); err != nil {
		return err
	}
	if actor.Org == "" {
		return errs.E(errs.Forbidden, "您的岗位不属于任何机构，没有本机构的接口数据")
	}
	v := uncountedView{Page: web.PageNumber(r)}
	err := f.s.DB.View(r.Context(), func(tx *db.Tx) (err error) {
		v.Rows, v.Total, err = encounter.ListUncounted(r.Context(), tx, actor.Org, v.Page)
		return err
	})
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, uncountedPage(v))
}

// started is the begin of a visit in our time; what cannot be read, or is no
// more than a day, as it was written.
func started(u encounter.Uncounted) string {
	at, ok := search.ParseTime(u.Started)
	if !ok || len(u.Started) <= len("2006-01-02") {
		return u.Started
	}
	return web.FormatFull(time.UnixMilli(at.From))
}

func leftTitle(n int64) string {
	return "未计入统计的就诊（" + strconv.FormatInt(n, 10) + "）"
}

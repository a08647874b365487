package gridweb

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"yilian/internal/access"
	"yilian/internal/alliance/alliancetest"
	"yilian/internal/audit"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/grid"
	"yilian/internal/grid/report"
	"yilian/internal/organization/organizationtest"
	"yilian/internal/policy/policytest"
	"yilian/internal/region"
	"yilian/internal/web/facetest"
)

var bureau = access.Actor{Account: "b", Name: "规划科", Role: string(access.BureauCounty), OrgName: "零陵区卫生健康局",
	Regions: []string{region.Lingling, region.Yongzhou, region.Hunan, region.CN}}

type scene struct {
	*facetest.Face
	svc  *grid.Service
	lead [2]string
}

func open(t *testing.T) *scene {
	t.Helper()
	d := dbtest.SQLite(t)
	alliancetest.Seed(t, d)
	book := policytest.Shipped(t)
	s := &scene{Face: facetest.New(t, d, bureau), svc: &grid.Service{DB: d, Log: audit.New(d, crypto.Ephemeral(crypto.SM)), Policy: book}}
	Routes(s.Site, s.svc, &report.Service{DB: d, Book: book, Grids: s.svc})
	for i, name := range []string{"永州市第四人民医院", "零陵区中医院"} {
		s.lead[i] = organizationtest.ByName(t, d, name).ID
	}
	return s
}

func (s *scene) layout() grid.Layout {
	s.Helper()
	return dbtest.View(s.T, s.DB, func(tx *db.Tx) (l grid.Layout, err error) {
		all, err := grid.Layouts(context.Background(), tx, region.Lingling)
		if err != nil || len(all) == 0 {
			return l, err
		}
		return grid.Get(context.Background(), tx, all[0].ID)
	})
}

func TestAPlannerDraftsByHand(t *testing.T) {
	s := open(t)
	s.Get("/grid", http.StatusSeeOther)
	s.See("/grid/431102", "零陵区网格布局", "没有生效的网格布局", "珠山", "示意图", "（估计）")
	s.Post("/grid/431102/layouts", facetest.Form("name", ""), http.StatusUnprocessableEntity)
	s.Post("/grid/431102/layouts", facetest.Form("name", "一期"), http.StatusSeeOther)
	l := s.layout()
	s.See("/grid/431102/layouts/"+l.ID, "未划入任何网格（16 个）", "增加网格")
	s.Post("/grid/431102/layouts/"+l.ID+"/cells", facetest.Form("version", "1", "name", "北片", "lead", s.lead[0]), http.StatusSeeOther)
	s.Post("/grid/431102/layouts/"+l.ID+"/cells", facetest.Form("version", "1", "name", "南片", "lead", s.lead[1]), http.StatusConflict)
	s.Post("/grid/431102/layouts/"+l.ID+"/cells", facetest.Form("version", "2", "name", "南片", "lead", s.lead[1]), http.StatusSeeOther)
	l = s.layout()
	form := facetest.Form("version", "3", "cell", l.Cells[0].ID)
	form["code"] = []string{"431102101", "431102102"}
	s.Post("/grid/431102/layouts/"+l.ID+"/assign", form, http.StatusSeeOther)
	s.See("/grid/431102/layouts/"+l.ID+"/try?code=431102101&cell="+l.Cells[1].ID, "改划“南片”", "人口超出应担份额", "改划")
	s.See("/grid/431102/layouts/"+l.ID, "还没有负责的医联体", "检查还有问题")
	s.Post("/grid/431102/layouts/"+l.ID+"/adopt", facetest.Form("version", "4", "from", "2026-03-02"), http.StatusUnprocessableEntity)
	s.Post("/grid/431102/layouts/"+l.ID+"/drop", facetest.Form("version", "4"), http.StatusSeeOther)
	s.See("/grid/431102/layouts/"+l.ID, "已废弃")
}

func TestProposalsAreComparedAndKept(t *testing.T) {
	s := open(t)
	s.See("/grid/431102/propose", "牵头医院与服务能力", "在南津渡街道", "不交叉、全覆盖始终成立")
	query := "share-" + s.lead[0] + "=2&share-" + s.lead[1] + "=1&seed=1&balance=100&travel=100&continuity=50"
	s.See("/grid/431102/propose?"+query, "方案比较", "按所设权重", "距最优", "应担")
	s.Get("/grid/431102/propose?seed=1&balance=x", http.StatusUnprocessableEntity).Shows("人口均衡的权重")
	s.Get("/grid/431102/propose?seed=1", http.StatusUnprocessableEntity).Shows("至少给一家医院")
	pairs := []string{"choice", "0", "name", "计算一号"}
	for _, p := range strings.Split(query, "&") {
		pairs = append(pairs, strings.SplitN(p, "=", 2)...)
	}
	s.Post("/grid/431102/propose", facetest.Form(pairs...), http.StatusSeeOther)
	s.See("/grid/431102/layouts/"+s.layout().ID, "计算一号", "距理论最优不超过")
}

func TestGroundIsEntered(t *testing.T) {
	s := open(t)
	s.See("/grid/431102/ground", "人口与边界", "第七次全国人口普查", "估计")
	s.Post("/grid/431102/people", facetest.Form("year", "2023", "source", "户籍", "people-431102101", "x"), http.StatusUnprocessableEntity)
	s.Post("/grid/431102/people", facetest.Form("year", "2023", "source", "2023 年公安户籍人口", "people-431102101", "33210"), http.StatusSeeOther)
	s.See("/grid/431102/ground", "33,210", "2023 年公安户籍人口")
	s.Post("/grid/431102/shapes", facetest.Form(), http.StatusUnprocessableEntity)
	s.Post("/grid/431102/places", facetest.Form("column-431102101", "1", "row-431102101", "1"), http.StatusUnprocessableEntity)
}

func TestOthersLookOrAreRefused(t *testing.T) {
	s := open(t)
	s.Actor.Role = string(access.TownshipDoctor)
	s.Get("/grid/431102", http.StatusForbidden)
	s.Actor = bureau
	s.Actor.Regions = []string{"410102", "4101", "41", region.CN}
	s.Get("/grid/431102", http.StatusForbidden)
	s.Actor = bureau
	s.Actor.Role, s.Actor.Regions = string(access.AllianceOffice), []string{"431102002", region.Lingling, region.Yongzhou, region.Hunan, region.CN}
	s.See("/grid/431102", "零陵区网格布局")
	s.Post("/grid/431102/layouts", facetest.Form("name", "不该有"), http.StatusForbidden)
	s.Get("/grid/431102/print", http.StatusNotFound)
}

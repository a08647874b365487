package participationweb

import (
	"testing"

	"yilian/internal/access"
	"yilian/internal/db/dbtest"
	"yilian/internal/referral/referraltest"
	"yilian/internal/web/facetest"
)

func TestThePageNamesWhoIsNotIn(t *testing.T) {
	d := dbtest.SQLite(t)
	w := referraltest.New(t, d)
	f := facetest.New(t, d, access.Actor{Account: "a", Role: string(access.BureauCounty), Regions: []string{"431102", "4311", "43", "CN"}})
	(&Pages{DB: d, Book: w.Flow.Book}).Routes(f.Site)
	f.See("/alliance/participation?all=1", "湖南省永州市零陵区", w.Township.Name, "GB-1.3b", "统计口径")
	f.See("/alliance/participation?on=2019-06-01", w.Township.Name, "未加入", "未达标")
	f.See("/alliance/participation?scope=county", "涉农区")
	f.Get("/alliance/participation?scope=nobody", 404)
	f.Get("/alliance/participation?on=2019-02-30", 422)
	f.Actor.Role = string(access.VillageDoctor)
	f.Get("/alliance/participation", 403)
}

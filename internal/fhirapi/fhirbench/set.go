package fhirbench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/db"
	"yilian/internal/record"
)

// What one patient has: himself, his visits, and results.
const (
	perPatient = 200
	visits     = 15
	results    = perPatient - 1 - visits
	batchSize  = 400
)

// set is the made-up content: everything follows from a number.
type set struct{ patients int }

var codes = []struct{ code, name, unit string }{
	{"2345-7", "葡萄糖", "mmol/L"}, {"4548-4", "糖化血红蛋白", "%"}, {"2093-3", "总胆固醇", "mmol/L"}, {"2571-8", "甘油三酯", "mmol/L"},
	{"2160-0", "肌酐", "umol/L"}, {"3094-0", "尿素氮", "mmol/L"}, {"1742-6", "谷丙转氨酶", "U/L"}, {"1920-8", "谷草转氨酶", "U/L"},
	{"718-7", "血红蛋白", "g/L"}, {"6690-2", "白细胞", "10*9/L"}, {"777-3", "血小板", "10*9/L"}, {"8480-6", "收缩压", "mm[Hg]"},
	{"8462-4", "舒张压", "mm[Hg]"}, {"8867-4", "心率", "/min"}, {"29463-7", "体重", "kg"}, {"8310-5", "体温", "Cel"},
}

var families = []string{"唐", "蒋", "李", "周", "何", "陈", "吕", "文", "郑", "欧阳"}

func patientID(i int) string { return fmt.Sprintf("bp-%06d", i) }

func resultID(i, j int) string { return fmt.Sprintf("bo-%06d-%03d", i, j) }

func (s set) patient(i int) string {
	return fmt.Sprintf(`{"resourceType":"Patient","id":"%s","identifier":[{"use":"usual","system":"urn:oid:2.16.156.10011.2.1","value":"MR%08d"}],"active":true,`+
		`"name":[{"use":"official","text":"%s%c%c"}],"telecom":[{"system":"phone","value":"139%08d"}],"gender":"%s","birthDate":"%d-%02d-%02d","address":[{"text":"湖南省永州市零陵区"}]}`,
		patientID(i), i, families[i%len(families)], '一'+rune(i*7%2000), '一'+rune(i*13%2000), i, []string{"male", "female"}[i%2], 1940+i%70, 1+i%12, 1+i%28)
}

func visit(i, j int) string {
	day := time.Date(2022, 1, 1, 8, 0, 0, 0, time.UTC).AddDate(0, 0, (i*31+j*97)%1700).Format("2006-01-02")
	return fmt.Sprintf(`{"resourceType":"Encounter","id":"be-%06d-%03d","identifier":[{"system":"urn:visit","value":"V%06d%03d"}],"status":"finished",`+
		`"class":{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"AMB"},"subject":{"reference":"Patient/%s"},`+
		`"period":{"start":"%sT08:00:00+08:00","end":"%sT09:10:00+08:00"},"reasonCode":[{"text":"复诊"}],"serviceProvider":{"reference":"Organization/bench"}}`,
		i, j, i, j, patientID(i), day, day)
}

// result is one laboratory result; id "" leaves it to the server.
func result(id string, i, j int, value float64) string {
	c := codes[j%len(codes)]
	day := time.Date(2022, 1, 1, 8, 0, 0, 0, time.UTC).AddDate(0, 0, (i*17+j*9)%1700).Format("2006-01-02")
	if id != "" {
		id = `"id":"` + id + `",`
	}
	return fmt.Sprintf(`{"resourceType":"Observation",%s"meta":{"profile":["http://hl7.org/fhir/StructureDefinition/Observation"]},"status":"final",`+
		`"category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"laboratory","display":"Laboratory"}]}],`+
		`"code":{"coding":[{"system":"http://loinc.org","code":"%s","display":"%s"}],"text":"%s"},"subject":{"reference":"Patient/%s"},`+
		`"encounter":{"reference":"Encounter/be-%06d-%03d"},"effectiveDateTime":"%sT08:30:00+08:00","issued":"%sT10:00:00.000+08:00",`+
		`"performer":[{"reference":"Organization/bench","display":"永州市第四人民医院检验科"}],`+
		`"valueQuantity":{"value":%.2f,"unit":"%s","system":"http://unitsofmeasure.org","code":"%s"},`+
		`"referenceRange":[{"low":{"value":3.9,"unit":"%s"},"high":{"value":6.1,"unit":"%s"},"text":"3.9–6.1"}]}`,
		id, c.code, c.name, c.name, patientID(i), i, j%visits, day, day, value, c.unit, c.unit, c.unit, c.unit)
}

// load fills the store up to the number of resources, through the store itself.
func (b *bench) load(ctx context.Context, r *Report) error {
	err := b.d.View(ctx, func(tx *db.Tx) (err error) {
		r.Resources, err = db.Count(ctx, tx, `SELECT count(*) FROM record_resource`)
		return err
	})
	if err != nil || r.Resources >= int64(b.set.patients*perPatient) {
		return err
	}
	if r.Resources > 0 {
		return fmt.Errorf("the database holds %d resources already: give it an empty one, or ask for at most as many", r.Resources)
	}
	began := time.Now()
	bodies := make([]string, 0, batchSize+perPatient)
	first := 0
	for i := range b.set.patients {
		bodies = append(bodies, b.set.patient(i))
		for j := range visits {
			bodies = append(bodies, visit(i, j))
		}
		for j := range results {
			bodies = append(bodies, result(resultID(i, j), i, j, float64(i%40)/4+3))
		}
		if len(bodies) >= batchSize || i == b.set.patients-1 {
			if err := b.put(ctx, first, i, bodies); err != nil {
				return err
			}
			r.Loaded += len(bodies)
			bodies, first = bodies[:0], i+1
			if b.o.Progress != nil && i%250 < 2 {
				fmt.Fprintf(b.o.Progress, "已装入 %d 个资源\n", r.Loaded)
			}
		}
	}
	r.Load, r.Resources = time.Since(began), int64(r.Loaded)
	if b.d.Engine() != db.Postgres {
		return nil // the program keeps no statistics on SQLite
	}
	return b.d.Tx(ctx, func(tx *db.Tx) error { // as autovacuum would
		_, err := tx.Exec(ctx, `ANALYZE`)
		return err
	})
}

func (b *bench) put(ctx context.Context, first, last int, bodies []string) error {
	return b.d.Tx(ctx, func(tx *db.Tx) error {
		for i := first; i <= last; i++ {
			if err := access.Relate(ctx, tx, access.CareRelation{Patient: patientID(i), Org: org, Basis: access.BasisEncounter, Reference: patientID(i)}); err != nil {
				return err
			}
		}
		for _, body := range bodies {
			d := record.Draft{Body: []byte(body), Source: record.Source{Org: org, Client: clientID}}
			if _, _, err := b.store.Update(ctx, tx, d); err != nil {
				return err
			}
		}
		return nil
	})
}

// draw draws what a client asks for.
type draw struct{ *rand.Rand }

func newDraw(client uint64, began int64) draw {
	return draw{rand.New(rand.NewPCG(client, uint64(began)))}
}

// kind is one kind of request.
type kind struct {
	title  string
	each   int // resources of a request that the rate counts
	budget budget
	make   func(s set, d draw) (method, path, body string)
}

// bundleSize is that of the design's budget.
const bundleSize = 100

func kinds() []kind {
	return []kind{
		{"按编号读取", 1, budget{8000, 6000, 0}, func(s set, d draw) (string, string, string) {
			return "GET", "/Observation/" + resultID(d.IntN(s.patients), d.IntN(results)), ""
		}},
		{"按患者和项目搜索", 1, budget{4500, 4500, 0}, func(s set, d draw) (string, string, string) {
			return "GET", "/Observation?patient=" + patientID(d.IntN(s.patients)) + "&code=http://loinc.org|" + codes[d.IntN(len(codes))].code, ""
		}},
		{"$everything（200 个资源）", 1, budget{300, 300, 20 * time.Millisecond}, func(s set, d draw) (string, string, string) {
			return "GET", "/Patient/" + patientID(d.IntN(s.patients)) + "/$everything", ""
		}},
		{"新建一个资源", 1, budget{1500, 1000, 0}, func(s set, d draw) (string, string, string) {
			return "POST", "/Observation", result("", d.IntN(s.patients), d.IntN(results), d.Float64()*20)
		}},
		{"事务 Bundle（100 个资源）", bundleSize, budget{3000, 3000, 0}, func(s set, d draw) (string, string, string) {
			var w strings.Builder
			w.WriteString(`{"resourceType":"Bundle","type":"transaction","entry":[`)
			of := d.IntN(s.patients) // a bundle is what a visit has brought
			for i := range bundleSize {
				if i > 0 {
					w.WriteByte(',')
				}
				w.WriteString(`{"resource":` + result("", of, i, d.Float64()*20) + `,"request":{"method":"POST","url":"Observation"}}`)
			}
			w.WriteString(`]}`)
			return "POST", "", w.String()
		}},
	}
}

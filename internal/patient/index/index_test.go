package index_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
	"yilian/internal/idcard"
	"yilian/internal/message"
	"yilian/internal/patient"
	"yilian/internal/patient/index"
	"yilian/internal/patient/match"
	"yilian/internal/region"
)

var ctx = context.Background()

const village = "431102103002" // 黄田铺镇

var (
	clinic   = access.Actor{Account: "acc-clinic", Name: "赵医生", Role: string(access.TownshipDoctor), Org: "org-clinic", OrgName: "黄田铺镇卫生院"}
	clerk    = access.Actor{Account: "acc-clerk", Name: "钱登记", Role: string(access.Registration), Org: "org-hospital", OrgName: "零陵区人民医院"}
	office   = access.Actor{Account: "acc-office", Name: "孙医务", Role: string(access.MedicalAffairs), Org: "org-hospital", OrgName: "零陵区人民医院"}
	stranger = access.Actor{Account: "acc-far", Name: "李登记", Role: string(access.Registration), Org: "org-far", OrgName: "另一医院"}
	program  = audit.Program("接口")

	card  = idcard.Make("431102", "1965-03-12", 22) // female
	card2 = idcard.Make("431102", "1965-03-12", 24) // her twin
)

type world struct {
	*index.Service
	t *testing.T
	d *db.DB
}

func each(t *testing.T, fn func(t *testing.T, w *world)) {
	t.Helper()
	dbtest.Each(t, func(t *testing.T, d *db.DB) { fn(t, newWorld(t, d)) })
}

func newWorld(t *testing.T, d *db.DB) *world {
	t.Helper()
	keys := crypto.Ephemeral(crypto.SM)
	log := audit.New(d, keys)
	control := access.New(log)
	weights, err := match.Shipped()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Tx(ctx, func(tx *db.Tx) error { return region.Seed(ctx, tx) }); err != nil {
		t.Fatal(err)
	}
	patients := &patient.Service{DB: d, Keys: keys, Access: control, Audit: log}
	return &world{t: t, d: d, Service: &index.Service{DB: d, Patients: patients, Access: control, Audit: log, Weights: weights}}
}

func (w *world) attach(st index.Stated) (a index.Attachment) {
	w.t.Helper()
	err := w.d.Tx(ctx, func(tx *db.Tx) (err error) {
		a, err = w.Attach(ctx, tx, program, st)
		return err
	})
	if err != nil {
		w.t.Fatalf("attach %+v: %v", st, err)
	}
	return a
}

func (w *world) register(name, id, phone string) patient.Patient {
	w.t.Helper()
	p, err := w.Patients.Register(ctx, clinic, patient.Registration{Name: name, IDType: patient.IDCard, IDNumber: id, Phone: phone,
		Region: village, Address: "3组12号", InsuranceKind: patient.Resident, Confirmed: true})
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

func (w *world) same(a, b string) bool {
	w.t.Helper()
	return dbtest.View(w.t, w.d, func(tx *db.Tx) (bool, error) { return access.IsSame(ctx, tx, a, b) })
}

// her is Zhang Guilan as the hospital's system states her.
func her() index.Stated {
	return index.Stated{Source: "org-hospital", Statement: patient.Statement{Number: "MRN-1", Name: "张桂兰", Sex: patient.Female,
		BirthDate: "1965-03-12", IDType: patient.IDCard, IDNumber: card, Phone: "13900001234", Region: village, Address: "3组12号"}}
}

// Who is stated how, and what becomes of it. Zhang Guilan (card, phone, 3组12号)
// is registered; nothing hangs on anybody on one identifier (issue 4, item 6).
func TestWhatBecomesOfAStatement(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(st *index.Stated)
		want   index.Outcome
		reason index.Reason
		hers   bool // attached to her, or linked with her
	}{
		{"card and name", func(*index.Stated) {}, index.Certain, "", true},
		{"card and a name that sounds alike", func(st *index.Stated) { st.Name = "章桂兰" }, index.Certain, "", true},
		{"card with spaces, small x, letters for the name", func(st *index.Stated) { st.IDNumber, st.Name = card[:6]+" "+card[6:], "ZHANG GUILAN" }, index.Certain, "", true},
		{"card of one, name of another", func(st *index.Stated) { st.Name = "王大力" }, index.Unmatched, index.CardName, false},
		{"no card, all else agrees", func(st *index.Stated) { st.IDNumber, st.IDType = "", "" }, index.Linked, "", true},
		{"a digit of the card wrong, all else agrees", func(st *index.Stated) { st.IDNumber = card[:9] + flip(card[9]) + card[10:] }, index.Linked, "", true},
		{"day and month exchanged, no card", func(st *index.Stated) { st.IDNumber, st.BirthDate = "", "1965-12-03" }, index.Linked, "", true},
		{"near-sound, no card", func(st *index.Stated) { st.IDNumber, st.Name = "", "张桂南" }, index.Linked, "", true},
		{"the twin without a card", func(st *index.Stated) { st.IDNumber, st.Name = "", "张桂英" }, index.InReview, "", false},
		{"the twin with her card", func(st *index.Stated) { st.IDNumber, st.Name = card2, "张桂英" }, index.Fresh, "", false},
		{"a namesake of another town", func(st *index.Stated) {
			st.IDNumber, st.BirthDate, st.Phone, st.Region, st.Address = "", "1988-07-01", "13700005555", "431102001001", "1组1号"
		}, index.Fresh, "", false},
		{"name only", func(st *index.Stated) { st.Statement = patient.Statement{Number: "MRN-1", Name: "张桂兰"} }, index.Unmatched, index.TooFew, false},
		{"number only", func(st *index.Stated) { st.Statement = patient.Statement{Number: "MRN-1"} }, index.Unmatched, index.TooFew, false},
		{"a wrong card and nobody like it", func(st *index.Stated) {
			st.IDNumber, st.Name, st.BirthDate, st.Phone, st.Address = card[:9]+flip(card[9])+card[10:], "欧阳修", "1990-01-05", "13700005555", ""
		}, index.Unmatched, index.CardInvalid, false},
		{"new, but without birth date", func(st *index.Stated) {
			st.IDNumber, st.Name, st.BirthDate, st.Phone = "", "欧阳修", "", "13700005555"
		}, index.Unmatched, index.Incomplete, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, dbtest.SQLite(t))
			p := w.register("张桂兰", card, "13900001234")
			st := her()
			c.change(&st)
			a := w.attach(st)
			if a.Outcome != c.want || a.Reason != c.reason {
				t.Fatalf("%s %s, want %s %s", a.Outcome, a.Reason, c.want, c.reason)
			}
			if hers := a.Patient != "" && w.same(a.Patient, p.ID); hers != c.hers {
				t.Errorf("hers %v, want %v", hers, c.hers)
			}
			if (a.Patient == "") != (c.want == index.Unmatched) || (a.Waiting != "") != (c.want == index.Unmatched) {
				t.Errorf("%+v", a)
			}
		})
	}
}

func flip(b byte) string { return string('0' + (b-'0'+3)%10) }

func TestANumberIsKnownButNeedsASecondIdentifier(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := w.register("张桂兰", card, "13900001234")
		first := w.attach(her())
		st := her()
		st.IDNumber, st.IDType, st.BirthDate, st.Phone = "", "", "", ""
		again := w.attach(st)
		if again.Outcome != index.Known || again.Patient != p.ID || again.Identity != first.Identity {
			t.Fatalf("%+v after %+v", again, first)
		}
		st.Name = "王大力"
		if a := w.attach(st); a.Outcome != index.Unmatched || a.Reason != index.NumberName {
			t.Errorf("%+v", a)
		}
		st = her()
		st.IDNumber = card2
		if a := w.attach(st); a.Reason != index.NumberCard {
			t.Errorf("%+v", a)
		}
		st = her()
		st.Source = "org-other" // the same number at another institution is another number
		if a := w.attach(st); a.Outcome != index.Certain {
			t.Errorf("%+v", a)
		}
	})
}

// C4: link A and B, add ten events, unlink: each event goes back to its person.
func TestPartingRestoresEachEvent(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		a := w.register("张桂兰", card, "13900001234")
		b := w.register("张桂英", card2, "13900001234")
		if err := w.Link(ctx, clerk, a.ID, b.ID, "核对证件"); err != nil {
			t.Fatal(err)
		}
		events := map[string]string{}
		for i := range 10 {
			p := []string{a.ID, b.ID}[i%2]
			ref := "event-" + string('0'+rune(i))
			events[ref] = p
			w.event(p, ref)
		}
		if got := w.events(a.ID); len(got) != 10 || len(w.events(b.ID)) != 10 {
			t.Fatalf("linked, A shows %v", got)
		}
		if _, err := w.Patients.Open(ctx, access.Actor{Account: "x", Role: string(access.TownshipDoctor), Org: "org-event-1"}, a.ID, access.Look); err != nil {
			t.Errorf("who treats B may see A while they are one: %v", err)
		}
		if err := w.Part(ctx, clerk, b.ID, "孪生姐妹"); err != nil {
			t.Fatal(err)
		}
		for _, p := range []string{a.ID, b.ID} {
			for _, ref := range w.events(p) {
				if events[ref] != p {
					t.Errorf("%s shows %s", p, ref)
				}
			}
			if n := len(w.events(p)); n != 5 {
				t.Errorf("%s shows %d events", p, n)
			}
		}
		if _, err := w.Patients.Open(ctx, access.Actor{Account: "x", Role: string(access.TownshipDoctor), Org: "org-event-1"}, a.ID, access.Look); !errs.Is(err, errs.Forbidden) {
			t.Errorf("who treats B sees A after they were parted: %v", err)
		}
		for action, want := range map[string]int{"index.link": 1, "index.part": 1} {
			leaves := dbtest.View(t, w.d, func(tx *db.Tx) ([]audit.Leaf, error) {
				return audit.Search(ctx, tx, audit.Filter{Patient: a.ID, Action: action})
			})
			if len(leaves) != want {
				t.Errorf("%d leaves of %s", len(leaves), action)
			}
		}
	})
}

// event hangs something on a patient: a relation of care, as every module does.
func (w *world) event(patientID, ref string) {
	w.t.Helper()
	err := w.d.Tx(ctx, func(tx *db.Tx) error {
		return access.Relate(ctx, tx, access.CareRelation{Patient: patientID, Org: "org-" + ref, Basis: access.BasisReferral, Reference: ref})
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) events(patientID string) []string {
	w.t.Helper()
	return dbtest.View(w.t, w.d, func(tx *db.Tx) ([]string, error) {
		return db.List(ctx, tx, db.Value[string], `SELECT reference FROM care_relation WHERE basis = 'referral'
			AND patient IN (SELECT CAST($1 AS TEXT) UNION ALL SELECT other FROM same_person WHERE patient = $1) ORDER BY reference`, patientID)
	})
}

// What a human has parted, neither the model nor a message joins again.
func TestPartedPairsStayParted(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := w.register("张桂兰", card, "13900001234")
		st := her()
		st.IDNumber, st.IDType = "", ""
		a := w.attach(st)
		if a.Outcome != index.Linked || !w.same(a.Patient, p.ID) {
			t.Fatalf("%+v", a)
		}
		if err := w.Part(ctx, clerk, a.Patient, "同名同日，不是一人"); err != nil {
			t.Fatal(err)
		}
		st.Phone = "13700001111" // the hospital corrects her phone and sends her again
		if again := w.attach(st); again.Patient != a.Patient || w.same(a.Patient, p.ID) {
			t.Errorf("%+v: joined again", again)
		}
		err := w.d.Tx(ctx, func(tx *db.Tx) error { return w.Propose(ctx, tx, a.Patient, p.ID) })
		if pairs, lerr := w.Reviews(ctx, office); err != nil || lerr != nil || len(pairs) != 0 {
			t.Errorf("asked again: %v %v %v", pairs, err, lerr)
		}
		if err := w.Link(ctx, office, a.Patient, p.ID, "本人到场，出示证件"); err != nil || !w.same(a.Patient, p.ID) {
			t.Errorf("a human may: %v", err)
		}
	})
}

func TestReviewIsDecidedOnceByThoseConcerned(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := w.register("张桂兰", card, "13900001234")
		st := her()
		st.IDNumber, st.IDType, st.Name = "", "", "张桂英"
		a := w.attach(st)
		pairs, err := w.Reviews(ctx, clerk)
		if err != nil || len(pairs) != 1 {
			t.Fatalf("%v %v", pairs, err)
		}
		pair := pairs[0]
		if len(pair.Parts) == 0 || pair.A.Name == "" || pair.B.Name == "" {
			t.Errorf("%+v", pair)
		}
		if list, err := w.Reviews(ctx, stranger); err != nil || len(list) != 0 {
			t.Errorf("a stranger's list %v %v", list, err)
		}
		if _, err := w.Compare(ctx, stranger, pair.ID); !errs.Is(err, errs.Forbidden) {
			t.Errorf("a stranger compares: %v", err)
		}
		if _, err := w.Reviews(ctx, clinic); !errs.Is(err, errs.Forbidden) {
			t.Errorf("a doctor decides who is who: %v", err)
		}
		if err := w.Decide(ctx, clerk, pair.ID, pair.Version, index.Later, "等本人来", time.Second); err != nil {
			t.Fatal(err)
		}
		if list, _ := w.Reviews(ctx, clerk); len(list) != 0 {
			t.Errorf("put off, still listed")
		}
		if err := w.Decide(ctx, office, pair.ID, pair.Version, index.Different, "", time.Second); !errs.Is(err, errs.Conflict) {
			t.Errorf("stale: %v", err)
		}
		if err := w.Decide(ctx, office, pair.ID, pair.Version+1, index.Different, "孪生姐妹", 7*time.Second); err != nil {
			t.Fatal(err)
		}
		if w.same(a.Patient, p.ID) {
			t.Error("different, yet the same")
		}
		m := dbtest.View(t, w.d, func(tx *db.Tx) (index.Matrix, error) { return w.Matrix(ctx, tx) })
		if m.Review.Different != 1 || m.Review.Waiting != 0 || m.Median != 7*time.Second {
			t.Errorf("%+v", m)
		}
	})
}

func TestTheQueueAttachesRegistersAndRejects(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := w.register("张桂兰", card, "13900001234")
		var told []index.Placed
		w.Placed = append(w.Placed, func(_ context.Context, _ *db.Tx, pl index.Placed) error {
			told = append(told, pl)
			return nil
		})
		wait := func(change func(*index.Stated), object string) string {
			st := her()
			st.Object, st.ObjectID = "hl7", object
			change(&st)
			a := w.attach(st)
			if a.Waiting == "" {
				t.Fatalf("%+v", a)
			}
			if twice := w.attach(st); twice.Waiting != a.Waiting {
				t.Errorf("the same message waits twice")
			}
			return a.Waiting
		}
		borrowed := wait(func(st *index.Stated) { st.Name = "王大力" }, "m1")
		short := wait(func(st *index.Stated) {
			st.Statement = patient.Statement{Number: "MRN-2", Name: "欧阳修", Phone: "13700005555"}
		}, "m2")
		junk := wait(func(st *index.Stated) { st.Statement = patient.Statement{Name: "测试"} }, "m3")
		list, err := w.Queue(ctx, clerk)
		if err != nil || len(list) != 3 || list[0].Candidates[0].Side.Name != "张桂兰" {
			t.Fatalf("%+v %v", list, err)
		}
		if _, err := w.Settle(ctx, stranger, borrowed, 1, index.Place{Decision: index.Attached, Patient: p.ID}); !errs.Is(err, errs.Forbidden) {
			t.Errorf("a stranger places: %v", err)
		}
		if _, err := w.Settle(ctx, clerk, short, 1, index.Place{Decision: index.Registered}); !errs.Is(err, errs.Invalid) {
			t.Errorf("registered without sex and birth date: %v", err)
		}
		fresh, err := w.Settle(ctx, clerk, short, 1, index.Place{Decision: index.Registered, Sex: patient.Male, Birth: "1990-01-05"})
		if err != nil || fresh == "" {
			t.Fatal(err)
		}
		if _, err := w.Settle(ctx, clerk, borrowed, 1, index.Place{Decision: index.Attached, Patient: p.ID, Note: "来源姓名填错"}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Settle(ctx, clerk, borrowed, 1, index.Place{Decision: index.Rejected, Note: "再来一次"}); !errs.Is(err, errs.Conflict) {
			t.Errorf("settled twice: %v", err)
		}
		if _, err := w.Settle(ctx, clerk, junk, 1, index.Place{Decision: index.Rejected}); !errs.Is(err, errs.Invalid) {
			t.Errorf("rejected without a reason: %v", err)
		}
		if _, err := w.Settle(ctx, clerk, junk, 1, index.Place{Decision: index.Rejected, Note: "测试数据"}); err != nil {
			t.Fatal(err)
		}
		if len(told) != 3 || told[0].Object.ID != "m2" || told[0].Patient != fresh || told[1].Patient != p.ID || !told[2].Rejected {
			t.Errorf("%+v", told)
		}
		st := index.Stated{Source: "org-hospital", Statement: patient.Statement{Number: "MRN-2", Name: "欧阳修"}}
		if a := w.attach(st); a.Outcome != index.Known || a.Patient != fresh {
			t.Errorf("placed once, known next time: %+v", a)
		}
	})
}

// A borrowed card: what came through the hospital's identity moves with it.
func TestDetachMovesWhatCameThroughTheIdentity(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := w.register("张桂兰", card, "13900001234")
		var moved []index.Moved
		w.Moved = append(w.Moved, func(_ context.Context, _ *db.Tx, m index.Moved) error {
			moved = append(moved, m)
			return nil
		})
		st := her()
		st.Object, st.ObjectID = "hl7", "report-1"
		a := w.attach(st)
		to, err := w.Detach(ctx, clerk, a.Identity, "", "借用他人身份证就诊")
		if err != nil {
			t.Fatal(err)
		}
		if len(moved) != 1 || moved[0].From != p.ID || moved[0].To != to || !slices.Equal(moved[0].Objects, []index.Object{{Kind: "hl7", ID: "report-1"}}) {
			t.Errorf("%+v", moved)
		}
		if again := w.attach(st); again.Outcome == index.Certain || again.Patient == p.ID {
			t.Errorf("the number belongs to the other now: %+v", again)
		}
		if _, err := w.Detach(ctx, clerk, p.ID, "", "试试"); !errs.Is(err, errs.Invalid) {
			t.Errorf("its own identity was taken away: %v", err)
		}
	})
}

// C7: an unknown person is identified later; what was begun for him stays his.
func TestUnknownPersonIsIdentifiedLater(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		holder := w.register("张桂兰", card, "13900001234")
		emergency := access.Actor{Account: "acc-er", Name: "周急诊", Role: string(access.Emergency), Org: "org-er", OrgName: "急诊科"}
		enter := func() patient.Patient {
			var p patient.Patient
			if err := w.d.Tx(ctx, func(tx *db.Tx) (err error) {
				p, err = w.Patients.RegisterUnknownTx(ctx, tx, emergency, patient.Unknown{Sex: patient.Female, Age: "60"})
				return err
			}); err != nil {
				t.Fatal(err)
			}
			w.event(p.ID, "referral-of-"+p.ID)
			return p
		}
		known, fresh := enter(), enter()
		if list, err := w.Unresolved(ctx, office); err != nil || len(list) != 2 {
			t.Fatalf("%v %v", list, err)
		}
		if _, err := w.Identify(ctx, emergency, known.ID, "王大力", card); !errs.Is(err, errs.Invalid) {
			t.Errorf("a card with another name: %v", err)
		}
		resident, err := w.Identify(ctx, emergency, known.ID, "张桂兰", card)
		if err != nil || resident != holder.ID {
			t.Fatalf("%s %v", resident, err)
		}
		if got := w.events(holder.ID); !slices.Contains(got, "referral-of-"+known.ID) {
			t.Errorf("the referral of the unknown is not in her record: %v", got)
		}
		if resident, err = w.Identify(ctx, emergency, fresh.ID, "张桂英", card2); err != nil || resident != fresh.ID {
			t.Fatalf("%s %v", resident, err)
		}
		p := dbtest.View(t, w.d, func(tx *db.Tx) (patient.Patient, error) { return w.Patients.Get(ctx, tx, fresh.ID) })
		if p.Name != "张桂英" || p.IDMasked != idcard.Mask(card2) || p.BirthDate != "1965-03-12" {
			t.Errorf("%+v", p)
		}
		if list, err := w.Unresolved(ctx, office); err != nil || len(list) != 0 {
			t.Errorf("still open: %v %v", list, err)
		}
		stated := dbtest.View(t, w.d, func(tx *db.Tx) ([]index.Identity, error) { return w.IdentitiesOf(ctx, tx, fresh.ID) })
		if len(stated) != 1 || stated[0].Stated.Name != "无名氏" || stated[0].Kind != patient.Unidentified {
			t.Errorf("what was stated is lost: %+v", stated)
		}
	})
}

func TestNewbornThroughMother(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		mother := w.register("张桂兰", idcard.Make("431102", "1996-03-12", 22), "13900001234")
		born := index.Stated{Source: "org-hospital", Mother: mother.ID, Order: 1, Statement: patient.Statement{Sex: patient.Male, BirthDate: "2026-02-27"}}
		first := w.attach(born)
		born.Order = 2
		second := w.attach(born)
		if first.Outcome != index.Fresh || second.Outcome != index.Fresh || first.Patient == second.Patient {
			t.Fatalf("%+v %+v", first, second)
		}
		if again := w.attach(born); again.Outcome != index.Known || again.Patient != second.Patient {
			t.Errorf("%+v", again)
		}
		p := dbtest.View(t, w.d, func(tx *db.Tx) (patient.Patient, error) { return w.Patients.Get(ctx, tx, second.Patient) })
		if p.Name != "张桂兰之子乙" || p.Region != village {
			t.Errorf("%+v", p)
		}
		guardians := dbtest.View(t, w.d, func(tx *db.Tx) ([]patient.Relation, error) { return w.Patients.Guardians(ctx, tx, second.Patient) })
		if len(guardians) != 1 || guardians[0].OtherID != mother.ID {
			t.Errorf("%+v", guardians)
		}
		born.Mother = "nobody"
		if a := w.attach(born); a.Reason != index.MotherUnknown {
			t.Errorf("%+v", a)
		}
		own := dbtest.View(t, w.d, func(tx *db.Tx) ([]index.Identity, error) { return w.IdentitiesOf(ctx, tx, first.Patient) })
		if len(own) != 1 || own[0].Kind != patient.Newborn {
			t.Errorf("%+v", own)
		}
	})
}

func TestEverySearchFindsThePersonOnce(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := w.register("张桂兰", card, "13900001234")
		st := her()
		st.IDNumber, st.IDType, st.Name, st.Phone = "", "", "章桂南", "13711112222"
		a := w.attach(st)
		if !w.same(a.Patient, p.ID) {
			if err := w.Link(ctx, office, a.Patient, p.ID, "核对证件"); err != nil {
				t.Fatal(err)
			}
		}
		for text, want := range map[string]string{"张桂兰": p.ID, "章桂南": p.ID, "13711112222": p.ID, "13900001234": p.ID, card: p.ID, "zgl": p.ID, "zgn": p.ID} {
			found, err := w.Patients.Search(ctx, clinic, text)
			if err != nil || len(found.Hits) != 1 || found.Hits[0].ID != want {
				t.Errorf("%s finds %+v %v", text, found.Hits, err)
			}
		}
		hospital := clerk // goes on under what it has stated itself
		if found, err := w.Patients.Search(ctx, hospital, "张桂兰"); err != nil || len(found.Hits) != 1 || found.Hits[0].ID != a.Patient {
			t.Errorf("%+v %v", found.Hits, err)
		}
		if n := dbtest.View(t, w.d, func(tx *db.Tx) (int64, error) { return patient.Count(ctx, tx) }); n != 1 {
			t.Errorf("%d residents", n)
		}
	})
}

func TestWithdrawnDocumentIsToldToItsReaders(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := w.register("张桂兰", card, "13900001234")
		if _, err := w.Patients.Open(ctx, clinic, p.ID, access.Look); err != nil {
			t.Fatal(err)
		}
		var done []index.Withdrawal
		w.Withdrawn = append(w.Withdrawn, func(_ context.Context, _ *db.Tx, x index.Withdrawal) error {
			done = append(done, x)
			return nil
		})
		withdraw := func(reason string) (x index.Withdrawal, err error) {
			err = w.d.Tx(ctx, func(tx *db.Tx) error {
				x, err = w.WithdrawTx(ctx, tx, clerk, index.Withdrawal{Object: index.Object{Kind: "DocumentReference", ID: "doc-1"},
					Title: "出院小结", Patient: p.ID, AttachedAt: dbtest.Clock.Add(-time.Hour), Reason: reason})
				return err
			})
			return x, err
		}
		if _, err := withdraw(""); !errs.Is(err, errs.Invalid) {
			t.Errorf("without a reason: %v", err)
		}
		x, err := withdraw("报告归错患者")
		if err != nil || x.Readers != 1 || len(done) != 1 {
			t.Fatalf("%+v %v", x, err)
		}
		n := dbtest.View(t, w.d, func(tx *db.Tx) (int, error) { return message.Unread(ctx, tx, clinic) })
		if n != 1 {
			t.Errorf("%d notices", n)
		}
		list := dbtest.View(t, w.d, func(tx *db.Tx) ([]index.Withdrawal, error) { return index.Withdrawals(ctx, tx, p.ID) })
		if len(list) != 1 || !strings.Contains(list[0].Reason, "归错") {
			t.Errorf("%+v", list)
		}
	})
}

package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/account"
	"yilian/internal/alliance"
	"yilian/internal/attribution"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/calls"
	"yilian/internal/certificate"
	"yilian/internal/chart"
	"yilian/internal/charter"
	"yilian/internal/consult"
	"yilian/internal/contract"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/disclosure"
	"yilian/internal/encounter"
	"yilian/internal/errs"
	"yilian/internal/exchange"
	"yilian/internal/exemption"
	"yilian/internal/fhirapi"
	"yilian/internal/filing"
	"yilian/internal/flow"
	"yilian/internal/governance"
	"yilian/internal/grid"
	"yilian/internal/grid/report"
	"yilian/internal/jobs"
	"yilian/internal/message"
	"yilian/internal/organization"
	"yilian/internal/patient"
	"yilian/internal/patient/index"
	"yilian/internal/patient/match"
	"yilian/internal/policy"
	"yilian/internal/policy/library"
	"yilian/internal/practitioner"
	"yilian/internal/projection"
	"yilian/internal/record"
	"yilian/internal/referral"
	"yilian/internal/referral/phoned"
	"yilian/internal/schedule"
	"yilian/internal/steering"
	"yilian/internal/visit"
	"yilian/internal/web"
	"yilian/profiles"
)

// Version is what /healthz and the command line say.
const Version = "0.1.0"

// App is the assembled program.
type App struct {
	Config        Config
	DB            *db.DB
	Keys          *crypto.Keyring
	Audit         *audit.Log
	Queue         *jobs.Queue
	Calendar      *calendar.Calendar
	Calendars     *calendar.Service
	Book          *policy.Book
	Library       *library.Service
	Access        *access.Control
	Flow          *flow.Engine
	Record        *record.Store
	FHIR          *fhirapi.Server
	Organizations *organization.Service
	Alliances     *alliance.Service
	Exemptions    *exemption.Service
	Grids         *grid.Service
	Charters      *charter.Service
	Governance    *governance.Service
	Steering      *steering.Service
	Filings       *filing.Service
	GridReports   *report.Service
	Practitioners *practitioner.Service
	Patients      *patient.Service
	Index         *index.Service
	Accounts      *account.Service
	Messages      *message.Service
	Encounters    *encounter.Service
	Contracts     *contract.Service
	Attributions  *attribution.Service
	Schedules     *schedule.Service
	Referrals     *referral.Service
	Calls         *calls.Service
	Certificates  *certificate.Service
	Phoned        *phoned.Service
	Consults      *consult.Service
	Exchange      *exchange.Service
	Charts        *chart.Service
	Visits        *visit.Service
	Disclosures   *disclosure.Service
	Site          *web.Site

	mllp *exchange.Listener // nil: not configured
}

// Open reads profiles, opens and migrates the database, loads or makes the
// keys, seeds the reference data and assembles the modules. Any number of
// processes may do this on one PostgreSQL at the same time.
func Open(ctx context.Context, cfg Config) (*App, error) {
	cfg = cfg.filled(".")
	shipped, folder, err := ProfileSources(cfg.Profiles)
	if err != nil {
		return nil, err
	}
	book, err := shipped.With(folder).Load()
	if err != nil {
		return nil, err
	}
	d, err := openDatabase(ctx, cfg.Database)
	if err != nil {
		return nil, err
	}
	a := &App{Config: cfg, DB: d, Book: book, Library: &library.Service{DB: d, Book: book, Shipped: shipped, Folder: folder}}
	if err := a.prepare(ctx); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return a, nil
}

// ProfileSources reads the shipped policy profiles and those of a folder, which
// take the place of their namesakes; folder "" has none.
func ProfileSources(dir string) (shipped, folder policy.Sources, err error) {
	if shipped, err = policy.Read(profiles.FS); err != nil || dir == "" {
		return shipped, nil, err
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil, nil, errs.Because(err, errs.Invalid, "没有找到政策文件夹 %s（配置文件中的 profiles）", dir)
	}
	folder, err = policy.Read(os.DirFS(dir))
	return shipped, folder, err
}

func (a *App) prepare(ctx context.Context) error {
	if err := a.DB.Migrate(ctx); err != nil {
		return err
	}
	var err error
	if a.Keys, err = keysOf(ctx, a.DB, a.Config); err != nil {
		return err
	}
	a.assemble()
	if a.Index.Weights, err = match.Shipped(); err != nil {
		return fmt.Errorf("load weights of the master index: %w", err)
	}
	if err := a.Library.Init(ctx); err != nil {
		return err
	}
	if err := a.Referrals.Init(); err != nil {
		return err
	}
	if err := a.Consults.Init(); err != nil {
		return err
	}
	if err := a.Phoned.Init(); err != nil {
		return err
	}
	for _, init := range []func() error{a.Exemptions.Init, a.Governance.Init, a.Filings.Init, a.GridReports.Init, a.Disclosures.Init} {
		if err := init(); err != nil {
			return err
		}
	}
	if err := a.seed(ctx); err != nil {
		return err
	}
	if err := a.preparePeers(ctx); err != nil {
		return err
	}
	a.routes()
	return nil
}

// assemble builds the modules, lowest first.
func (a *App) assemble() {
	a.Audit = audit.New(a.DB, a.Keys)
	a.Library.Log = a.Audit
	a.Queue = jobs.New(a.DB)
	a.Calendar = calendar.New()
	a.Access = access.New(a.Audit)
	a.Flow = &flow.Engine{
		DB: a.DB, Book: a.Book, Calendar: a.Calendar, Audit: a.Audit, Keys: a.Keys, Queue: a.Queue,
		Directory: directory{}, Notify: notify,
	}
	a.Flow.Start()
	a.Record = &record.Store{DB: a.DB, Keys: a.Keys, Book: a.Book, BornAfter: patient.BornAfter}
	if a.Config.Public != "" {
		a.Record.Base = strings.TrimSuffix(a.Config.Public, "/") + "/fhir"
	}
	a.Calendars = &calendar.Service{DB: a.DB, Calendar: a.Calendar, OnLoaded: a.calendarLoaded}
	a.Organizations = &organization.Service{DB: a.DB, Log: a.Audit}
	a.Alliances = &alliance.Service{DB: a.DB, Log: a.Audit, Book: a.Book}
	a.Disclosures = &disclosure.Service{DB: a.DB, Flow: a.Flow, Audit: a.Audit}
	a.Exemptions = &exemption.Service{DB: a.DB, Flow: a.Flow, Book: a.Book}
	a.Grids = &grid.Service{DB: a.DB, Log: a.Audit, Policy: a.Book}
	a.Charters = &charter.Service{DB: a.DB, Log: a.Audit, Alliances: a.Alliances}
	a.Governance = &governance.Service{DB: a.DB, Log: a.Audit, Book: a.Book, Flow: a.Flow, Alliances: a.Alliances}
	a.Steering = &steering.Service{DB: a.DB, Log: a.Audit, Book: a.Book}
	a.Filings = &filing.Service{DB: a.DB, Flow: a.Flow, Book: a.Book, Calendar: a.Calendar, Queue: a.Queue, Alliances: a.Alliances}
	a.GridReports = &report.Service{DB: a.DB, Flow: a.Flow, Book: a.Book, Grids: a.Grids}
	a.Practitioners = &practitioner.Service{DB: a.DB, Log: a.Audit}
	a.Patients = &patient.Service{DB: a.DB, Keys: a.Keys, Access: a.Access, Audit: a.Audit, Broken: a.glassBroken}
	a.Index = &index.Service{DB: a.DB, Patients: a.Patients, Access: a.Access, Audit: a.Audit}
	a.Accounts = &account.Service{
		DB: a.DB, Keys: a.Keys, Audit: a.Audit, Directory: accountDirectory(),
		Options: account.Options{Idle: time.Duration(a.Config.IdleMinutes) * time.Minute},
	}
	a.Messages = message.New(a.DB, a.Keys, a.Audit, a.Queue, message.Page{}, message.Options{})
	a.Contracts = &contract.Service{DB: a.DB, Audit: a.Audit, Policy: a.Book, Patients: a.Patients}
	a.Encounters = &encounter.Service{DB: a.DB, Book: a.Book, Audit: a.Audit}
	a.Attributions = &attribution.Service{DB: a.DB, Queue: a.Queue}
	a.Attributions.Init()
	a.Schedules = &schedule.Service{DB: a.DB, Policy: a.Book, Calendar: a.Calendar, Audit: a.Audit, Queue: a.Queue}
	a.Schedules.Init()
	a.Referrals = &referral.Service{
		DB: a.DB, Flow: a.Flow, Book: a.Book, Access: a.Access, Audit: a.Audit, Keys: a.Keys, Queue: a.Queue,
		Patients: a.Patients, Messages: a.Messages, Schedules: a.Schedules,
	}
	a.Consults = &consult.Service{
		DB: a.DB, Flow: a.Flow, Book: a.Book, Access: a.Access, Audit: a.Audit, Keys: a.Keys,
		Patients: a.Patients, Messages: a.Messages, Referrals: a.Referrals,
	}
	a.Referrals.OnDeath = a.Consults.EndForDeath
	a.Calls = &calls.Service{DB: a.DB, Keys: a.Keys, Audit: a.Audit, Calendar: a.Calendar, Queue: a.Queue}
	a.Calls.Init()
	a.Phoned = &phoned.Service{
		DB: a.DB, Flow: a.Flow, Audit: a.Audit, Keys: a.Keys, Patients: a.Patients, Referrals: a.Referrals, Calls: a.Calls,
	}
	a.Certificates = &certificate.Service{DB: a.DB, Book: a.Book, Calendar: a.Calendar, Audit: a.Audit, Referrals: a.Referrals}
	a.Exchange = &exchange.Service{
		DB: a.DB, Keys: a.Keys, Audit: a.Audit, Access: a.Access, Patients: a.Patients, Encounters: a.Encounters, Referrals: a.Referrals,
		Record: a.Record, Index: a.Index,
	}
	a.Index.Placed = append(a.Index.Placed, a.Exchange.Placed)
	a.Index.Moved = append(a.Index.Moved, a.Exchange.Moved, fhirapi.Patients{Index: a.Index, Store: a.Record}.Moved)
	a.Index.Withdrawn = append(a.Index.Withdrawn, a.Exchange.Withdrawn)
	a.Charts = &chart.Service{DB: a.DB, Book: a.Book, Record: a.Record, Access: a.Access, Patients: a.Patients, CaseKinds: chartKinds, MayOpenCase: inChart}
	a.Visits = &visit.Service{DB: a.DB, Keys: a.Keys, Book: a.Book, Access: a.Access, Audit: a.Audit, Patients: a.Patients, Encounters: a.Encounters, Record: a.Record}
	a.fhir()
	a.project()
	a.periodic()
}

// project lets the record follow what the modules keep.
func (a *App) project() {
	modules := &projection.Modules{Patients: a.Patients, Referrals: a.Referrals, Store: a.Record}
	a.Record.Projectors = modules.Projectors()
	a.Record.Follow(a.Queue)
	a.Record.Class(a.Queue)
	a.DB.Touched = a.Record.Settle
}

// periodic registers what runs from time to time, once over all processes.
func (a *App) periodic() {
	a.Queue.Every("account.sweep", time.Hour, account.Sweep)
	a.Queue.Every("patient.sounds", time.Hour, a.Patients.KeepSounds)
	a.Queue.Every("message.sweep", 24*time.Hour, message.Sweep)
	a.Queue.Every("calendar.missing", 24*time.Hour, a.missingYear)
	a.Queue.Title("calendar.missing", "提醒导入工作日历")
	a.Queue.Title("account.sweep", "清理过期会话")
	a.Queue.Every(referral.MorningJob, referral.MorningEvery, a.Referrals.Morning)
	a.Queue.Title(referral.MorningJob, "下转候选晨间通知")
	a.Queue.Every(governance.RemindJob, 24*time.Hour, a.Governance.Remind)
	a.Queue.Title(governance.RemindJob, "理事会换届提醒")
	a.Queue.Title("message.sweep", "清理过期通知")
	a.Queue.Every(attribution.DailyJob, 24*time.Hour, a.Attributions.Daily)
	a.Queue.Title(attribution.DailyJob, "更新居民归属")
	a.Queue.Title(attribution.PageJob, "更新居民归属（分批）")
}

// calendarLoaded recomputes the deadlines that had run past the calendar.
func (a *App) calendarLoaded(ctx context.Context, tx *db.Tx, _ int) error {
	_, err := a.Flow.Reclock(ctx, tx)
	return err
}

// seed loads the reference data: divisions, the institutions that the loaded
// documents name, and their alliances. It is idempotent.
func (a *App) seed(ctx context.Context) error {
	if !a.Config.Founded.IsZero() {
		clock := a.DB.Now
		defer func() { a.DB.Now = clock }()
		a.DB.Now = func() time.Time { return a.Config.Founded }
	}
	err := a.DB.Tx(ctx, func(tx *db.Tx) error {
		if err := a.reference(ctx, tx); err != nil {
			return err
		}
		return a.Calendar.Refresh(ctx, tx)
	})
	if err != nil {
		return fmt.Errorf("load reference data: %w", err)
	}
	return nil
}

// Close closes the database.
func (a *App) Close() error { return a.DB.Close() }

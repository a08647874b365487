package fhirapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"yilian/internal/db"
	"yilian/internal/errs"
	tape "yilian/internal/fhir/json"
	"yilian/internal/record"
)

// issue is one entry of an OperationOutcome. Codes are those of FHIR's
// IssueType; texts are for people, in Chinese.
type issue struct {
	Severity   string   `json:"severity"`
	Code       string   `json:"code"`
	Details    text     `json:"details"`
	Expression []string `json:"expression,omitempty"`
}

type text struct {
	Text string `json:"text"`
}

type outcome struct {
	ResourceType string  `json:"resourceType"`
	Issue        []issue `json:"issue"`
}

func outcomeOf(list ...issue) []byte {
	raw, err := json.Marshal(outcome{"OperationOutcome", list})
	if err != nil {
		panic(err) // strings only
	}
	return raw
}

func note(severity, code, format string, args ...any) issue {
	return issue{Severity: severity, Code: code, Details: text{fmt.Sprintf(format, args...)}}
}

// fault is an answer that is not success: a status and what to say.
type fault struct {
	status int
	issues []issue
	cause  error
}

func (f *fault) Error() string {
	if len(f.issues) == 0 {
		return http.StatusText(f.status)
	}
	return f.issues[0].Details.Text
}

func (f *fault) Unwrap() error { return f.cause }

// refuse makes a fault of one issue.
func refuse(status int, code, format string, args ...any) error {
	return &fault{status: status, issues: []issue{note("error", code, format, args...)}}
}

// faultOf turns any error into an answer. What a user cannot mend is logged
// and answered with a number to report it by.
func faultOf(err error) *fault {
	if f, ok := errors.AsType[*fault](err); ok {
		return f
	}
	if status, code, ok := recordFault(err); ok {
		return &fault{status, []issue{note("error", code, "%s", err)}, err}
	}
	if e, ok := errors.AsType[*tape.Error](err); ok {
		return &fault{http.StatusBadRequest, []issue{note("error", "structure", "%s", e)}, err}
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &fault{http.StatusRequestEntityTooLarge, []issue{note("error", "too-long", "内容超过大小限制，请分批发送")}, err}
	}
	status, code := http.StatusInternalServerError, "exception"
	switch errs.KindOf(err) {
	case errs.Invalid:
		status, code = http.StatusUnprocessableEntity, "processing"
	case errs.NotFound:
		status, code = http.StatusNotFound, "not-found"
	case errs.Conflict:
		status, code = http.StatusConflict, "conflict"
	case errs.Forbidden:
		status, code = http.StatusForbidden, "forbidden"
	case errs.Unavailable:
		status, code = http.StatusServiceUnavailable, "transient"
	case errs.Internal:
		number := db.NewID()
		slog.Error("fhir request failed", "incident", number, "error", err)
		return &fault{status, []issue{note("fatal", code, "处理时发生故障，没有写入任何内容。请把故障编号告诉系统管理员：%s", number)}, err}
	}
	f := &fault{status: status, cause: err}
	if e, ok := errors.AsType[*errs.Error](err); ok {
		if e.Message != "" || len(e.Fields) == 0 {
			f.issues = append(f.issues, note("error", code, "%s%s", e.Message, clause(e.Clause)))
		}
		for _, x := range e.Fields {
			f.issues = append(f.issues, note("error", code, "%s", x.Message))
		}
	}
	return f
}

func clause(id string) string {
	if id == "" {
		return ""
	}
	return "（依据：" + id + "）"
}

func recordFault(err error) (status int, code string, ok bool) {
	if _, is := errors.AsType[*record.Gone](err); is {
		return http.StatusGone, "deleted", true
	}
	if _, is := errors.AsType[*record.NotOwner](err); is {
		return http.StatusConflict, "business-rule", true
	}
	if _, is := errors.AsType[*record.Stale](err); is {
		return http.StatusConflict, "conflict", true
	}
	return 0, "", false
}

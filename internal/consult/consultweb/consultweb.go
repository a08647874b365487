// Package consultweb is the face of the advice before a referral: lists, the
// question, the case with its actions, the printed answer and the figures. It
// parses, calls one use case of package consult and renders; it decides nothing.
package consultweb

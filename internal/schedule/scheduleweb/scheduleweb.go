// Package scheduleweb is the face of capacity: the week of a hospital's
// departments with what is taken and free, the weekly sessions and their
// exceptions, the beds of the day, and the appointments that must be moved.
package scheduleweb

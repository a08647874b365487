// The toolbar of a print page.
document.addEventListener('click', function (e) {
	if (e.target.closest('[data-print]')) window.print();
	if (e.target.closest('[data-close]')) { window.close(); if (!window.closed) history.back(); }
});

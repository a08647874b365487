// The toolbar of a print page.
document.addEventListener('click', function (e) {
	var close = e.target.closest('[data-close]');
	if (e.target.closest('[data-print]')) window.print();
	if (close && close.dataset.close) location.replace(close.dataset.close);
	else if (close) { window.close(); if (!window.closed) history.back(); }
});

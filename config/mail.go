package config

import "net/mail"

func (m Mail) check(f *faults) {
	if m.SMTPAddr == "" {
		for _, setting := range []struct {
			flag  string
			given bool
		}{
			{"smtp-username", m.SMTPUsername != ""}, {"smtp-password", m.SMTPPassword.Given()}, {"mail-from", m.MailFrom != ""},
		} {
			if setting.given {
				f.add(setting.flag, "given, but --smtp-addr is not")
			}
		}
		return
	}
	checkTarget(f, "smtp-addr", m.SMTPAddr)
	if _, err := mail.ParseAddress(m.MailFrom); m.MailFrom == "" {
		f.add("mail-from", "not set, but --smtp-addr is: give the address mails come from")
	} else if err != nil {
		f.add("mail-from", "%q is no e-mail address", m.MailFrom)
	}
	if m.SMTPPassword.Given() != (m.SMTPUsername != "") {
		f.add("smtp-password", "goes with --smtp-username: give both or neither")
	}
	if m.SMTPTLS != "none" {
		return
	}
	if !onLoopback(m.SMTPAddr) {
		f.add("smtp-tls", "is none, but %q is not on loopback: give starttls or tls", m.SMTPAddr)
	} else if m.SMTPPassword.Given() {
		f.add("smtp-tls", "is none, but there is a password, which is never sent without encryption")
	}
}

ValueSet: DecisionMakingLevels
Id: decision-making-levels
Title: "Levels of medical decision making"
Description: "Every code of the CodeSystem DecisionMakingLevel."
* ^experimental = false
* ^publisher = "Caretally contributors"
* include codes from system DecisionMakingLevel

ValueSet: ElectedFamilies
Id: elected-families
Title: "Elected families"
Description: "Every code of the CodeSystem ElectedFamily."
* ^experimental = false
* ^publisher = "Caretally contributors"
* include codes from system ElectedFamily

ValueSet: PcmElements
Id: pcm-elements
Title: "Elements of principal care management"
Description: "Every code of the CodeSystem PcmElement."
* ^experimental = false
* ^publisher = "Caretally contributors"
* include codes from system PcmElement

ValueSet: ConsentModes
Id: consent-modes
Title: "Ways of consenting"
Description: "Every code of the CodeSystem ConsentMode."
* ^experimental = false
* ^publisher = "Caretally contributors"
* include codes from system ConsentMode

ValueSet: ConsentElements
Id: consent-elements
Title: "Explained before consent"
Description: "Every code of the CodeSystem ConsentElement."
* ^experimental = false
* ^publisher = "Caretally contributors"
* include codes from system ConsentElement

ValueSet: ClaimFrequencies
Id: claim-frequencies
Title: "Claim frequencies"
Description: "Every code of the CodeSystem ClaimFrequency."
* ^experimental = false
* ^publisher = "Caretally contributors"
* include codes from system ClaimFrequency

ValueSet: ClaimProgressCodes
Id: claim-progress-codes
Title: "Progress of a claim"
Description: "Every code of the CodeSystem ClaimProgress."
* ^experimental = false
* ^publisher = "Caretally contributors"
* include codes from system ClaimProgress

ValueSet: ClaimWithdrawals
Id: claim-withdrawals
Title: "Withdrawals"
Description: "Every code of the CodeSystem ClaimWithdrawal."
* ^experimental = false
* ^publisher = "Caretally contributors"
* include codes from system ClaimWithdrawal

ValueSet: CodeMatches
Id: code-matches
Title: "Ways in which codes match"
Description: "Every code of the CodeSystem CodeMatch."
* ^experimental = false
* ^publisher = "Caretally contributors"
* include codes from system CodeMatch

ValueSet: RateSettings
Id: rate-settings
Title: "Settings of a rate"
Description: "Every code of the CodeSystem RateSetting."
* ^experimental = false
* ^publisher = "Caretally contributors"
* include codes from system RateSetting

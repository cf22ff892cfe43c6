// Profiles for what is written: what a clearinghouse interface or a billing system may rely on.

Profile: CareManagementCharge
Parent: ChargeItem
Id: cm-charge-item
Title: "Care-management charge"
Description: "One line of a month: a code on a date of service, with the evidence that it rests on."
* ^experimental = false
* ^publisher = "Caretally contributors"
* extension contains ContentDigest named contentDigest 1..1 and ClaimRevision named revision 1..1 and ClaimWithdrawalExtension named withdrawal 0..1
* identifier 2..* MS
* identifier ^slicing.discriminator.type = #value
* identifier ^slicing.discriminator.path = "system"
* identifier ^slicing.rules = #open
* identifier contains charge 1..1 MS and identity 1..1 MS
* identifier[charge].system = "https://caretally.example/fhir/identifier/charge-item"
* identifier[charge].value 1..1
* identifier[identity].system = "https://caretally.example/fhir/identifier/claim"
* identifier[identity].value 1..1
* definitionCanonical 1..* MS
* status MS
* code MS
* code.coding 1..*
* code.coding.system 1..1
* code.coding.code 1..1
* subject only Reference(Patient)
* occurrence[x] 1..1 MS
* occurrence[x] only dateTime
* performer 1..* MS
* performer.function 1..1
* quantity 1..1 MS
* quantity.value 1..1
* priceOverride.value 1..1
* priceOverride.currency 1..1
* enteredDate 1..1
* reason 1..* MS
* supportingInformation MS

Profile: CareManagementClaim
Parent: Claim
Id: cm-claim-professional
Title: "Care-management claim"
Description: "The professional claim of one patient, calendar month and billing practitioner, all lines on it."
* ^experimental = false
* ^publisher = "Caretally contributors"
* obeys cm-claim-1 and cm-claim-2 and cm-claim-3 and cm-claim-4
* extension contains ContentDigest named contentDigest 1..1 and ClaimRevision named revision 1..1 and ClaimFrequencyExtension named frequency 0..1 and BillingProviderTin named billingTin 0..1 and ClaimProgressExtension named progress 0..1 and ClaimWithdrawalExtension named withdrawal 0..1
* identifier 2..* MS
* identifier ^slicing.discriminator.type = #value
* identifier ^slicing.discriminator.path = "system"
* identifier ^slicing.rules = #open
* identifier contains identity 1..1 MS and accountNumber 1..1 MS and payerControlNumber 0..1 MS
* identifier[identity].system = "https://caretally.example/fhir/identifier/claim"
* identifier[identity].value 1..1
* identifier[accountNumber].system = "https://caretally.example/fhir/identifier/account-number"
* identifier[accountNumber].value 1..1
* identifier[accountNumber].value ^maxLength = 20
* identifier[payerControlNumber].system = "https://caretally.example/fhir/identifier/payer-control-number"
* identifier[payerControlNumber].value 1..1
* status MS
* type = $claim-type#professional
* use = #claim
* patient MS
* billablePeriod 1..1 MS
* billablePeriod.start 1..1
* billablePeriod.end 1..1
* provider MS
* related MS
* careTeam 2..* MS
* careTeam.role 1..1
* diagnosis 1..12 MS
* diagnosis.diagnosis[x] only CodeableConcept
* diagnosis.diagnosis[x].coding 1..*
* diagnosis.diagnosis[x].coding.code 1..1
* insurance MS
* item 1..* MS
* item.careTeamSequence 1..*
* item.diagnosisSequence 1..4
* item.productOrService MS
* item.productOrService.coding 1..*
* item.serviced[x] 1..1 MS
* item.location[x] 1..1 MS
* item.location[x] only CodeableConcept
* item.quantity 1..1 MS
* item.quantity.value 1..1
* item.unitPrice MS
* item.net MS
* total MS

Invariant: cm-claim-1
Description: "The total is the sum of the lines"
Severity: #error
Expression: "total.exists() implies total.value = item.net.value.aggregate($this + $total, 0)"

Invariant: cm-claim-2
Description: "Every diagnosis that a line points to stands on the claim"
Severity: #error
Expression: "item.diagnosisSequence.distinct().subsetOf(diagnosis.sequence)"

Invariant: cm-claim-3
Description: "Every care team member that a line names stands on the claim"
Severity: #error
Expression: "item.careTeamSequence.distinct().subsetOf(careTeam.sequence)"

Invariant: cm-claim-4
Description: "Diagnoses are ICD-10-CM codes"
Severity: #error
Expression: "diagnosis.diagnosis.coding.where(system = 'http://hl7.org/fhir/sid/icd-10-cm').count() >= diagnosis.count()"

Profile: CareManagementProvenance
Parent: Provenance
Id: cm-provenance
Title: "Care-management provenance"
Description: "What a write rests on: the exact versions of the evidence and of the tables, the software, and the person who decided."
* ^experimental = false
* ^publisher = "Caretally contributors"
* target only Reference(Claim or ChargeItem)
* recorded MS
* activity 1..1 MS
* agent ^slicing.discriminator.type = #pattern
* agent ^slicing.discriminator.path = "type"
* agent ^slicing.rules = #open
* agent contains software 1..1 and person 0..1
* agent[software].type 1..1
* agent[software].type = $participant-kind#assembler
* agent[software].who.identifier 1..1
* agent[person].type 1..1
* agent[person].type = $participant-kind#verifier
* entity MS
* entity.role = #source

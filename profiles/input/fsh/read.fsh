// Profiles for what is read. They say what a resource must hold to become a fact; more is allowed, other shapes are
// read too (docs/reference/input-contract.md).

Profile: TimeEntryEncounter
Parent: Encounter
Id: cm-time-entry-encounter
Title: "Time entry"
Description: "One piece of logged care-management work: who, when, how long, for which programme."
* ^experimental = false
* ^publisher = "Caretally contributors"
* extension contains DistinctFromVisit named distinctFromVisit 0..1
* obeys cm-time-1 and cm-time-2
* type MS
* serviceType MS
* subject 1..1 MS
* subject only Reference(Patient)
* participant 1..* MS
* participant.individual only Reference(Practitioner or PractitionerRole)
* period 1..1 MS
* period.start 1..1 MS
* length MS
* serviceProvider MS

Invariant: cm-time-1
Description: "A time entry says itself that it is care-management work: an activity, or the service ccm, pcm or pin"
Severity: #error
Expression: "type.coding.where(system = 'https://caretally.example/fhir/CodeSystem/care-management-activity').exists() or serviceType.coding.where(system = 'https://caretally.example/fhir/CodeSystem/care-management-service').exists()"

Invariant: cm-time-2
Description: "The time is known: both ends of the period, or a length"
Severity: #error
Expression: "length.exists() or period.end.exists()"

Profile: CareManagementConsent
Parent: Consent
Id: cm-consent
Title: "Care-management consent"
Description: "The patient's consent to care-management services. A privacy consent never is one."
* ^experimental = false
* ^publisher = "Caretally contributors"
* extension contains ConsentModeExtension named mode 0..1 and ConsentElementExplained named explained 0..*
* scope = $consent-scope#treatment
* category ^slicing.discriminator.type = #pattern
* category ^slicing.discriminator.path = "$this"
* category ^slicing.rules = #open
* category contains careManagement 1..1
* category[careManagement] = https://caretally.example/fhir/CodeSystem/consent-category#care-management
* patient 1..1 MS
* dateTime 1..1 MS
* organization MS
* source[x] MS
* verification MS
* provision 0..1 MS
* provision.type MS
* provision.period MS
* provision.actor MS
* provision.code MS

Profile: CareManagementCarePlan
Parent: CarePlan
Id: cm-care-plan
Title: "Care-management care plan"
Description: "The comprehensive care plan of one programme. US Core's assess-plan category is kept, so that one plan can satisfy both."
* ^experimental = false
* ^publisher = "Caretally contributors"
* obeys cm-plan-1
* extension contains MedicalDecisionMaking named medicalDecisionMaking 0..* and BillingElection named billingElection 0..* and PcmElementAttested named pcmElement 0..*
* category ^slicing.discriminator.type = #pattern
* category ^slicing.discriminator.path = "$this"
* category ^slicing.rules = #open
* category contains assessPlan 1..1
* category[assessPlan] = $careplan-category#assess-plan
* subject only Reference(Patient)
* period 1..1 MS
* period.start 1..1 MS
* author 1..1 MS
* author only Reference(Practitioner or PractitionerRole or Organization or CareTeam)
* addresses 1..* MS
* goal MS
* activity MS
* activity.detail.code MS

Invariant: cm-plan-1
Description: "A care plan names the programme that it is for: ccm, pcm or pin"
Severity: #error
Expression: "category.coding.where(system = 'https://caretally.example/fhir/CodeSystem/care-management-service').exists()"

Profile: PriceDefinition
Parent: ChargeItemDefinition
Id: cm-charge-item-definition
Title: "Price of a code"
Description: "One code of a price list. A component of type base is what the practice asks for one unit. An informational component coded payer-rate is what the payer allows. A factor, an applicability, another type of component or another currency is refused by name: no amount is guessed."
* ^experimental = false
* ^publisher = "Caretally contributors"
* status MS
* effectivePeriod MS
* code 1..1 MS
* applicability 0..0
* propertyGroup.extension contains RateSettingExtension named setting 0..1 and ValidPeriod named validPeriod 0..1
* propertyGroup.applicability 0..0
* propertyGroup.priceComponent MS
* propertyGroup.priceComponent.factor 0..0
* propertyGroup.priceComponent.amount 1..1 MS
* propertyGroup.priceComponent.amount.value 1..1
* propertyGroup.priceComponent.amount.currency 1..1
* propertyGroup.priceComponent.amount.currency = #USD
